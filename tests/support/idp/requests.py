"""What clients asked an identity provider's token and introspection endpoints."""

import base64
import binascii
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote_plus

from tests.support.raw_server import Asked


@dataclass(frozen=True)
class ClientLogin:
    """How a client said who it is (RFC 6749 section 2.3.1)."""

    id: str
    secret: str
    way: Literal["basic", "post", "none"]


@dataclass(frozen=True)
class TokenRequest:
    """One form and the client that sent it; `repeated` has the parameters that came more than once."""

    form: dict[str, str]
    client: ClientLogin
    repeated: dict[str, tuple[str, ...]]

    @property
    def grant(self) -> str:
        """The last part of the grant type: `client_credentials`, `token-exchange`, `jwt-bearer`."""
        return self.form.get("grant_type", "").rpartition(":")[2]


def token_request(asked: Asked) -> TokenRequest:
    """Reads a form as it came."""
    pairs = parse_qsl(asked.body.decode(), keep_blank_values=True)
    every: dict[str, list[str]] = {}
    for name, value in pairs:
        every.setdefault(name, []).append(value)
    repeated = {name: tuple(values) for name, values in every.items() if len(values) > 1}
    form = dict(pairs)
    return TokenRequest(form, _login(asked.headers.get("authorization", b""), form), repeated)


def _login(authorization: bytes, form: dict[str, str]) -> ClientLogin:
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() == b"basic":
        try:
            name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ClientLogin("", "", "none")
        # Both are form-encoded before they are joined, so that a colon in a name does no harm.
        return ClientLogin(unquote_plus(name), unquote_plus(secret), "basic")
    if "client_secret" in form:
        return ClientLogin(form.get("client_id", ""), form["client_secret"], "post")
    return ClientLogin(form.get("client_id", ""), "", "none")
