"""The endpoints of an authorization server over HTTP: JSON objects, bounded in size and time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import msgspec

from vmcp_api.spec.network import Reach
from vmcp_proxy.auth.oauth.client_login import basic
from vmcp_proxy.http_client import HttpClient, HttpError, InvalidUrl, Peer, ResponseHeaders, TrustSetting, Url
from vmcp_proxy.protocol.surrogates import mask

JsonObject: TypeAlias = dict[str, Any]

MAX_ANSWER_BYTES: Final = 512 << 10
"""Of a discovery document, a key set, or what a token or introspection endpoint says."""

ANSWER_SECONDS: Final = 5.0
"""For each of the two: until the head of an answer is there, and until the rest of it is."""

_LONGEST_PAUSE: Final = 300
_OK: Final = 200
_ACCEPT: Final = (b"Accept", b"application/json")
_FORM: Final = (b"Content-Type", b"application/x-www-form-urlencoded")


class EndpointError(Exception):
    """An endpoint that did not give what was asked; `reason` holds no URL, no secret and nothing of the answer.

    `came` is what came instead, where that may be logged.
    """

    def __init__(self, reason: str, came: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.came = came


@dataclass(frozen=True, slots=True)
class ClientLogin:
    """A client with its secret, if it has one."""

    client_id: str
    secret: bytes | None = field(default=None, repr=False)
    in_form: bool = False
    """Whether the secret stands in the form too, as some servers would have it."""

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """How it says who it is; nothing for a public client."""
        if self.secret is None or self.in_form:
            return ()
        return ((b"Authorization", basic(self.client_id, self.secret)),)

    def form(self) -> dict[str, str | bytes]:
        """What of it stands in the form: the id of a public client (RFC 6749 section 3.2.1), or all of it."""
        if self.secret is None:
            return {"client_id": self.client_id}
        return {"client_id": self.client_id, "client_secret": self.secret} if self.in_form else {}


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """What an endpoint said; `document` is empty where that was no JSON object."""

    status: int
    document: JsonObject = field(repr=False)
    retry_after: float = 0.0
    """The pause that it asks for, in seconds; 0 for none."""

    @property
    def is_ok(self) -> bool:
        """Whether it is the successful answer."""
        return self.status == _OK


class Endpoints:
    """Asks the endpoints of one server: dialled within its network, trusted by its CA bundle, each wait bounded."""

    def __init__(self, client: HttpClient, reach: Reach) -> None:
        self._client: Final = client
        self._network: Final = reach.network
        self._trust: Final = TrustSetting(ca_bundle=reach.ca_bundle)
        self._allows_http: Final = reach.insecure_allow_http

    async def get(self, url: str) -> JsonObject:
        """The JSON object at a URL.

        Raises:
            EndpointError: there is none, or not in time.
        """
        answer = await self._ask(b"GET", url, (_ACCEPT,), None)
        if not answer.is_ok:
            raise EndpointError(f"HTTP status {answer.status}")
        return answer.document

    async def post(self, url: str, form: Mapping[str, str], login: ClientLogin | None = None) -> EndpointAnswer:
        """What an endpoint says to a form; whatever the status, for errors are told in JSON too.

        Raises:
            EndpointError: it says no JSON object with status 200, or nothing in time.
        """
        headers = (_ACCEPT, _FORM, *(login.headers() if login else ()))
        body = urlencode({**form, **(login.form() if login else {})}).encode("ascii")
        return await self._ask(b"POST", url, headers, body)

    async def _ask(
        self, method: bytes, url: str, headers: tuple[tuple[bytes, bytes], ...], body: bytes | None
    ) -> EndpointAnswer:
        try:
            peer = Peer(Url.parse(url), self._network, self._trust)
        except InvalidUrl as error:
            raise EndpointError(str(error)) from None
        if peer.url.scheme != "https" and not self._allows_http:
            raise EndpointError("its URL begins with http://; use https://, or allow it with insecureAllowHttp")
        try:
            response = await self._client.request(
                peer, method, headers, body, timeout=ANSWER_SECONDS, is_repeatable=True
            )
            raw = await response.read(MAX_ANSWER_BYTES, timeout=ANSWER_SECONDS)
        except HttpError as error:
            raise EndpointError(str(error)) from None
        document = _read(raw)
        if response.status == _OK and document is None:
            raise EndpointError("the answer is no JSON object")
        return EndpointAnswer(response.status, document or {}, _pause(response.headers))


def _pause(headers: ResponseHeaders) -> float:
    """`Retry-After` in seconds; 0 where it is not a number of them."""
    written = (headers.get(b"retry-after") or b"").strip()
    return float(min(int(written[:6]), _LONGEST_PAUSE)) if written.isdigit() else 0.0


def _read(raw: bytes) -> JsonObject | None:
    try:
        # With half a surrogate pair it is JSON all the same: who reads it has words for what is wrong there.
        document = msgspec.json.decode(raw) if mask(raw) is None else json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
