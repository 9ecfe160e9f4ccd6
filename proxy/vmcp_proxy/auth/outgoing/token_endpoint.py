"""The one place that speaks to token endpoints (RFC 6749 section 3.2)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import quote_plus, urlsplit

from vmcp_api.secret import SecretBytes
from vmcp_api.spec.network import Reach
from vmcp_proxy.auth.oauth.endpoints import ClientLogin, EndpointError, Endpoints
from vmcp_proxy.auth.outgoing.errors import EndpointAwayError, GrantRefusedError, OutgoingAuthError
from vmcp_proxy.auth.outgoing.grant import Issued, read_answer
from vmcp_proxy.http_client import HttpClient

_WRONG_CLIENT: Final = "invalid_client"
_SECRET_FIELDS: Final = ("subject_token", "assertion")

Form: TypeAlias = Iterable[tuple[str, str]]
"""The parameters of a grant; empty ones are left out."""


@dataclass(slots=True)
class _Learned:
    """Whether the server takes the client's secret in the form only."""

    in_form: bool = False


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """One endpoint, and the client that we are there; `place` names it to people.

    Without an ID there is no client to authenticate; without a secret it is a public one. The secret goes into
    `Authorization`, which every server must take, and into the form where one refuses it there
    (RFC 6749 section 2.3.1).
    """

    place: str
    url: str = field(repr=False)
    reach: Reach = field(repr=False)
    http: HttpClient = field(repr=False, compare=False)
    client_id: str | None = None
    client_secret: SecretBytes | None = field(default=None, repr=False)
    _learned: _Learned = field(default_factory=_Learned, repr=False, compare=False)

    async def ask(self, form: Form) -> Issued:
        """The token for a grant.

        Raises:
            OutgoingAuthError: there is none.
        """
        try:
            return await self._ask({name: value for name, value in form if value})
        except OutgoingAuthError as error:
            error.endpoint = _origin(self.url)
            raise

    async def _ask(self, fields: dict[str, str]) -> Issued:
        if self._learned.in_form:
            return await self._post(fields, in_form=True)
        try:
            return await self._post(fields, in_form=False)
        except GrantRefusedError as error:
            if self.client_secret is None or error.code != _WRONG_CLIENT:
                raise
            refused = error
        try:
            issued = await self._post(fields, in_form=True)
        except GrantRefusedError:
            raise refused from None
        self._learned.in_form = True
        return issued

    async def _post(self, fields: dict[str, str], *, in_form: bool) -> Issued:
        secret = None if self.client_secret is None else self.client_secret.reveal()
        login = None if self.client_id is None else ClientLogin(self.client_id, secret, in_form=in_form)
        try:
            answer = await Endpoints(self.http, self.reach).post(self.url, fields, login)
        except EndpointError as error:
            raise EndpointAwayError(self.place, f"gives no answer: {error}") from None
        shown = [fields[name] for name in _SECRET_FIELDS if name in fields]
        if secret:
            shown.append(secret.decode("utf-8", "replace"))
            shown += [value.partition(b" ")[2].decode() for _, value in (login.headers() if login else ())]
        # As they are, and as they stand in a form.
        return read_answer(self.place, answer, (*shown, *map(quote_plus, shown)))


def _origin(url: str) -> str:
    """Scheme, host and port: paths and queries may hold what is for nobody's eyes."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
