"""The identity provider: discovery, JWKS, a token endpoint and introspection on a loopback port."""

import contextlib
import itertools
import json
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.idp.acts import Act
from tests.support.idp.grants import Denied, granted
from tests.support.idp.keys import Key
from tests.support.idp.requests import TokenRequest, token_request
from tests.support.raw_server import Asked, RawServer

ENDPOINTS = ("discovery", "jwks", "token", "introspect")


@dataclass
class Idp:
    """Every setting may change at any time.

    `keys` are what the JWKS shows, the first of which signs; `jwks_extra` are further members of its list as they
    stand. `discovery` overrides members of the discovery document (`None` takes one out). `acts` are what an endpoint
    (`discovery`, `jwks`, `token`, `introspect`) does instead of its duty. `clients` are ids with their secrets.
    `trusts` are the providers whose assertions the jwt-bearer grant takes.
    `expires_in` is the lifetime of what the token endpoint gives, in seconds; `None` is not said.
    `answers` overrides members of what the token endpoint gives (`None` takes one out). `origin` is where clients reach
    it that are elsewhere.
    """

    path: str = ""
    audience: str = "vmcp"
    keys: list[Key] = field(default_factory=lambda: [Key()])
    jwks_extra: list[Any] = field(default_factory=list)
    discovery: dict[str, Any] = field(default_factory=dict)
    acts: dict[str, Act] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=lambda: {"proxy": "proxy-secret"})
    trusts: list["Idp"] = field(default_factory=list)
    expires_in: float | None = 300
    answers: dict[str, Any] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    origin: str = ""
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The tokens that are good here, with their claims."""
    server: RawServer = field(init=False, repr=False)
    _numbers: Any = field(default_factory=lambda: itertools.count(1), repr=False)

    def __post_init__(self) -> None:
        self.server = RawServer(self._handle, context=self.tls)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Idp"]:
        """Listens while the block runs; once more on the same port when it is run again."""
        async with self.server.running():
            yield self

    # Where things are

    @property
    def issuer(self) -> str:
        return f"{self._origin}{self.path}"

    @property
    def _origin(self) -> str:
        return self.origin or f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server.port}"

    def url(self, endpoint: str) -> str:
        """Where an endpoint is: `jwks`, `token`, `introspect`."""
        return f"{self.issuer.rstrip('/')}/{endpoint}"

    # What it was asked

    def asked(self, endpoint: str) -> list[Asked]:
        """The requests to an endpoint, in order."""
        return [each for each in self.server.asked if self._endpoint_of(each) == endpoint]

    def requests(self, endpoint: str = "token", grant: str | None = None) -> list[TokenRequest]:
        """The forms that an endpoint was sent, in order; of one grant (`token-exchange`) where that is named."""
        found = [token_request(each) for each in self.asked(endpoint)]
        return [each for each in found if grant in (None, each.grant)]

    # Tokens

    def claims(self, subject: str, *, now: float | None = None, lifetime: float = 300, **more: Any) -> dict[str, Any]:
        """The claims of a good token; `more` adds and replaces, and takes out what is `None`."""
        began = int(time.time() if now is None else now)
        usual = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.audience,
            "iat": began,
            "exp": began + lifetime,
            "jti": f"token-{next(self._numbers)}",
        }
        return {name: value for name, value in {**usual, **more}.items() if value is not None}

    def mint(
        self, subject: str, *, header: Mapping[str, Any] | None = None, key: Key | None = None, **more: Any
    ) -> str:
        """A JWT for the gateway; `more` as in `claims`, `header` as in `Key.sign`."""
        claims = self.claims(subject, **more)
        token = (key or self.keys[0]).sign(claims, **(header or {}))
        self.known[token] = claims
        return token

    def opaque(self, subject: str, **more: Any) -> str:
        """A token of random letters that only introspection knows; `more` as in `claims`."""
        token = f"opaque-{secrets.token_urlsafe(24)}"
        self.known[token] = self.claims(subject, **more)
        return token

    def revoke(self, token: str) -> None:
        del self.known[token]

    def rotate(self, key: Key | None = None, *, keeps_old: bool = False) -> Key:
        """Signs with another key from now on."""
        made = key or Key(f"key-{len(self.keys) + 1}-{next(self._numbers)}", number=self.keys[0].number + 1)
        self.keys = [made, *(self.keys if keeps_old else ())]
        return made

    # Its endpoints

    def _endpoint_of(self, asked: Asked) -> str | None:
        path = asked.target.partition("?")[0]
        base = self.path.rstrip("/")
        if path in (
            f"{base}/.well-known/openid-configuration",
            f"{base}/.well-known/oauth-authorization-server",
            f"/.well-known/oauth-authorization-server{base}",
        ):
            return "discovery"
        name = path.removeprefix(f"{base}/")
        return name if name in ENDPOINTS else None

    async def _handle(self, asked: Asked) -> None:
        endpoint = self._endpoint_of(asked)

        async def usual() -> None:
            status, body = self._answer(endpoint, asked)
            await asked.status(status, json.dumps(body).encode(), "application/json", cache_control="no-store")

        if endpoint is not None and (act := self.acts.get(endpoint)) is not None:
            await act(asked, usual)
        else:
            await usual()

    def _answer(self, endpoint: str | None, asked: Asked) -> tuple[int, dict[str, Any]]:
        match endpoint, asked.verb:
            case "discovery", "GET":
                return 200, self.document()
            case "jwks", "GET":
                return 200, {"keys": [*(each.jwk for each in self.keys), *self.jwks_extra]}
            case "token" | "introspect", "POST":
                return self._for_clients(endpoint, token_request(asked))
            case _:
                return 404, {"error": "not_found"}

    def document(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery section 3, RFC 8414 section 2)."""
        usual = {
            "issuer": self.issuer,
            "jwks_uri": self.url("jwks"),
            "token_endpoint": self.url("token"),
            "introspection_endpoint": self.url("introspect"),
            "authorization_endpoint": self.url("authorize"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted({each.alg for each in self.keys}),
        }
        return {name: value for name, value in {**usual, **self.discovery}.items() if value is not None}

    def _for_clients(self, endpoint: str, request: TokenRequest) -> tuple[int, dict[str, Any]]:
        if self.clients.get(request.client.id) != request.client.secret:
            return 401, {"error": "invalid_client"}
        if endpoint == "introspect":
            claims = self.known.get(request.form.get("token", ""))
            # RFC 7662 section 2.2: of a token that is no good nothing is told, not even why.
            good = claims is not None and claims.get("exp", time.time() + 1) > time.time()
            return 200, {"active": True, **claims} if claims is not None and good else {"active": False}
        try:
            answer = granted(self, request)
        except Denied as denied:
            return 400, {"error": denied.code, "error_description": str(denied)}
        changed = {**answer, **self.answers}
        return 200, {name: value for name, value in changed.items() if value is not None}
