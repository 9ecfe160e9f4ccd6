"""A backend that speaks MCP 2026-07-28 over Streamable HTTP: found out by `server/discover`, kept by nobody."""

from functools import partial
from typing import Final

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.eras import Eras, is_not_modern
from vmcp_proxy.backends.errors import Category, NotModernError
from vmcp_proxy.backends.interface import NOBODY, BackendSession, Terms
from vmcp_proxy.backends.messages import code_of, names_revision
from vmcp_proxy.backends.modern.envelope import Envelope, headers_of
from vmcp_proxy.backends.modern.http import OWN_HEADERS, ModernHttp
from vmcp_proxy.backends.modern.session import ModernSession
from vmcp_proxy.backends.modern.tools import ToolHeaders
from vmcp_proxy.backends.refusals.refusal import EVENTS, JSON, is_success, media_type, read_refusal
from vmcp_proxy.backends.refusals.words import masked, words_of_error
from vmcp_proxy.backends.streamable.backend import HttpBackend
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.http_client import Response
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES, ServerHello, parse_discovery
from vmcp_proxy.protocol.params import InvalidParamsError, optional_text_of, parse_members, raw_text
from vmcp_proxy.protocol.versions import MODERN

_DISCOVER: Final = "server/discover"
_LIST: Final = "tools/list"
_MOST_PAGES: Final = 100


class ModernHttpBackend:
    """Opens what stands for sessions; `http` is how the same server is reached in the legacy protocol.

    `eras` are those of the server, which it forgets where it is refused.
    """

    def __init__(self, http: HttpBackend, eras: Eras) -> None:
        self.name: Final = http.name
        self.http: Final = http
        self.eras: Final = eras
        self.tools: Final = ToolHeaders()
        self.bare: Final = Envelope(NO_CAPABILITIES, http.settings.software_version)
        """For what is asked for no client."""

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Opens.open`."""
        is_own = owner is None
        envelope = Envelope(terms.capabilities, self.http.settings.software_version)
        hello = await self.discover(envelope, headers, deadline, is_own=is_own)
        return ModernSession(ModernHttp(self, is_own=is_own), terms, hello, envelope)

    async def aclose(self) -> None:
        """Nothing: connections belong to the process-wide client."""

    async def discover(
        self, envelope: Envelope, headers: OutgoingHeaders, deadline: Deadline, *, is_own: bool = False
    ) -> ServerHello:
        """What the server says of itself; `is_own` where no client stands behind it.

        Raises:
            NotModernError: it does not speak the protocol.
            BackendError: it does not say.
        """
        body = jsonrpc.encode_request(0, _DISCOVER, envelope.around({}, None))
        sent = OWN_HEADERS + headers_of(_DISCOVER, {}, ()) + headers
        response = await self.http.post(sent, body, deadline.at, is_repeatable=True, is_own=is_own)
        refusal = None if _has_answer(response) else await read_refusal(response, deadline)
        if refusal is not None and refusal.message is not None and names_revision(refusal.message.error, MODERN):
            # It names what it was asked in: perhaps another one of its processes was asked, or it has just come up.
            response = await self.http.post(sent, body, deadline.at, is_repeatable=True, is_own=is_own)
            refusal = None if _has_answer(response) else await read_refusal(response, deadline)
        if refusal is None:
            return self._hello(await self.http.reader.answer(response, b"0", deadline, NOBODY), headers)
        code = None if refusal.message is None else code_of(refusal.message.error)
        error = refusal.error(self.name, "POST", self.http.peer.url, OWN_HEADERS + headers)
        if is_not_modern(refusal.status, code):
            raise self._not_modern(error.hint, error.told)
        raise error

    async def list_tools(
        self, transport: ModernHttp, envelope: Envelope, headers: OutgoingHeaders, deadline: Deadline
    ) -> bool:
        """Has the tools listed once more, for the headers of their arguments; False where they cannot be."""
        cursor = ""
        for _ in range(_MOST_PAGES):
            members = {"cursor": raw_text(cursor)} if cursor else {}
            answer = await transport.exchange(0, _LIST, members, envelope, headers, deadline, NOBODY, ())
            if answer.result is None:
                return False
            cursor = _cursor_of(answer.result)
            if not cursor:
                break
        return True

    def _hello(self, answer: jsonrpc.Response, headers: OutgoingHeaders) -> ServerHello:
        if answer.result is None:
            said = words_of_error(answer.error, partial(masked, self.http.peer.url, headers))
            raise self._not_modern("it answered server/discover with an error", said)
        try:
            versions, hello = parse_discovery(answer.result)
        except InvalidParamsError:
            raise self._not_modern("its server/discover result is malformed") from None
        if MODERN not in versions:
            raise self._not_modern(f"it does not speak {MODERN}")
        return hello

    def _not_modern(self, hint: str, told: str = "") -> NotModernError:
        error = NotModernError(self.name, Category.PROTOCOL, hint)
        error.told = told or error.told
        return error


def _has_answer(response: Response) -> bool:
    return is_success(response.status) and media_type(response.headers) in (EVENTS, JSON)


def _cursor_of(result: jsonrpc.Raw) -> str:
    try:
        return optional_text_of(parse_members(result), "nextCursor") or ""
    except InvalidParamsError:
        return ""
