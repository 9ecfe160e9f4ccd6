"""The one place that speaks to token endpoints (RFC 6749 section 3.2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlencode

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.oauth.client_login import basic
from vmcp_proxy.auth.outgoing.errors import EndpointAwayError, GrantRefusedError
from vmcp_proxy.auth.outgoing.grant import MOST_BYTES, Issued, read_answer
from vmcp_proxy.http_client import HttpClient, HttpError, Peer, ResponseHeaders

SECONDS: Final = 10.0
"""How long one request may take."""

_FORM: Final = ((b"Content-Type", b"application/x-www-form-urlencoded"), (b"Accept", b"application/json"))
_WRONG_CLIENT: Final = "invalid_client"
_LONGEST_PAUSE: Final = 300

Form: TypeAlias = Iterable[tuple[str, str]]
"""The parameters of a grant; empty ones are left out."""


@dataclass(slots=True)
class _Learned:
    """Whether the server takes the client's secret in the body only."""

    in_body: bool = False


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """One endpoint, and the client that we are there; `place` names it to people.

    Without an ID there is no client to authenticate; without a secret it is a public one. The secret goes into
    `Authorization`, which every server must take, and into the body where one refuses it there
    (RFC 6749 section 2.3.1).
    """

    place: str
    peer: Peer
    http: HttpClient = field(repr=False, compare=False)
    client_id: str | None = None
    client_secret: SecretBytes | None = field(default=None, repr=False)
    _learned: _Learned = field(default_factory=_Learned, repr=False, compare=False)

    async def ask(self, form: Form) -> Issued:
        """The token for a grant.

        Raises:
            OutgoingAuthError: there is none.
        """
        fields = [(name, value) for name, value in form if value]
        if self._learned.in_body:
            return await self._post(fields, in_body=True)
        try:
            return await self._post(fields, in_body=False)
        except GrantRefusedError as error:
            if self.client_secret is None or error.code != _WRONG_CLIENT:
                raise
            refused = error
        try:
            issued = await self._post(fields, in_body=True)
        except GrantRefusedError:
            raise refused from None
        self._learned.in_body = True
        return issued

    async def _post(self, fields: Sequence[tuple[str, str]], *, in_body: bool) -> Issued:
        headers, more = self._login(in_body=in_body)
        body = urlencode((*fields, *more)).encode("ascii")
        try:
            response = await self.http.request(self.peer, b"POST", headers, body, timeout=SECONDS, is_repeatable=True)
            try:
                text = await response.read(MOST_BYTES, timeout=SECONDS)
            finally:
                await response.aclose()
        except HttpError as error:
            raise EndpointAwayError(self.place, f"gives no answer: {error}") from None
        return read_answer(self.place, response.status, text, _pause(response.headers))

    def _login(self, *, in_body: bool) -> tuple[Sequence[tuple[bytes, bytes]], Sequence[tuple[str, str | bytes]]]:
        """The headers, and the fields of the form beside those of the grant."""
        client, secret = self.client_id, self.client_secret
        if client is None:
            return _FORM, ()
        if secret is None:
            return _FORM, (("client_id", client),)
        if in_body:
            return _FORM, (("client_id", client), ("client_secret", secret.reveal()))
        return (*_FORM, (b"Authorization", basic(client, secret.reveal()))), ()


def _pause(headers: ResponseHeaders) -> float:
    """`Retry-After` in seconds; 0 where it is not a number of them."""
    written = (headers.get(b"retry-after") or b"").strip()
    return float(min(int(written[:6]), _LONGEST_PAUSE)) if written.isdigit() else 0.0
