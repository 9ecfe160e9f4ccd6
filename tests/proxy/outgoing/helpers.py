"""A whole proxy between callers with tokens and backends that want tokens of their own."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.proxy.auth.oidc.helpers import oidc
from tests.support.idp import Idp
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_backend import ScriptedBackend, Status

SECRETS = {
    ("keys", "client"): "proxy-secret",
    ("keys", "server"): "server-secret",
    ("keys", "header"): "canary-header",
    ("keys", "bearer"): "canary-bearer",
}


def ref(key: str) -> dict[str, str]:
    return {"name": "keys", "key": key}


@dataclass
class Guarded(ScriptedBackend):
    """Answers only who shows it what `lets_in` takes, by the headers of the request; the others get a 401."""

    lets_in: Callable[[dict[str, str]], bool] = lambda _: True
    status: int = 401
    refused: list[str] = field(default_factory=list)

    async def _answer(self, heard, reader, write):
        if not self.lets_in(heard.headers):
            self.refused.append(heard.method or heard.verb)
            raise Status(self.status, {"www-authenticate": "Bearer"})
        await super()._answer(heard, reader, write)

    def shown(self, header: str, method: str | None = None) -> set[str]:
        """The values of a header in all requests, or in those of one method; the empty one stands for none."""
        return {each.headers.get(header, "") for each in self.heard if method in (None, each.method)}


def issued_by(idp: Idp) -> Callable[[dict[str, str]], bool]:
    """Takes a token that a provider's token endpoint has given, and no other."""
    return lambda headers: (
        headers.get("authorization", "").removeprefix("Bearer ")
        in {token for token in idp.known if token.startswith("opaque-")}
    )


def client_credentials(idp: Idp, **more: Any) -> dict[str, Any]:
    return _strategy("clientCredentials", idp, **more)


def token_exchange(idp: Idp, **more: Any) -> dict[str, Any]:
    return _strategy("tokenExchange", idp, **more)


def identity_assertion(idp: Idp, server: Idp, **more: Any) -> dict[str, Any]:
    """Asserted by one provider at another, which must trust it."""
    settings = {**_endpoint(idp), "audience": server.issuer}
    at_server = {**_endpoint(server), "clientId": "at-server", "clientSecretRef": ref("server")}
    chosen = {**at_server, "audience": settings.pop("audience"), "idp": settings, **more}
    return {"outgoingAuth": {"type": "identityAssertion", "identityAssertion": chosen}}


def relay(*headers: str, **more: Any) -> dict[str, Any]:
    return {"outgoingAuth": {"type": "relay", "relay": {"headers": list(headers), **more}}}


def header_injection(name: str) -> dict[str, Any]:
    settings = {"headerName": name, "valueSecretRef": ref("header")}
    return {"outgoingAuth": {"type": "headerInjection", "headerInjection": settings}}


def bearer_token() -> dict[str, Any]:
    return {"outgoingAuth": {"type": "bearerToken", "bearerToken": {"tokenSecretRef": ref("bearer")}}}


def _strategy(name: str, idp: Idp, **more: Any) -> dict[str, Any]:
    return {"outgoingAuth": {"type": name, name: {**_endpoint(idp), **more}}}


def _endpoint(idp: Idp) -> dict[str, Any]:
    return {
        "tokenUrl": idp.url("token"),
        "clientId": "proxy",
        "clientSecretRef": ref("client"),
        "network": "local",
        "insecureAllowHttp": True,
    }


@dataclass
class Stage:
    """One proxy, the callers' provider and the backends by name."""

    world: Scene
    idp: Idp
    backends: dict[str, Guarded]

    def bearing(self, token: str, **headers: str) -> RawClient:
        return self.world.client(authorization=f"Bearer {token}", **headers)

    @contextlib.asynccontextmanager
    async def signed_in(self, subject: str = "alice", **claims: Any) -> AsyncIterator[RawClient]:
        """A client of a user, through the handshake."""
        async with self.bearing(self.idp.mint(subject, **claims)) as client:
            await client.open()
            yield client

    async def backend_status(self, name: str) -> dict[str, Any]:
        return next(each for each in (await self.world.status())["backends"] if each["name"] == name)

    def heard_anywhere(self, text: str) -> list[str]:
        """The backends that any request showed this text to."""
        return [
            name
            for name, backend in self.backends.items()
            if any(text in json.dumps([each.headers, each.message]) for each in backend.heard)
        ]


@contextlib.asynccontextmanager
async def stage(
    strategies: Callable[[Idp], dict[str, dict[str, Any]]],
    backends: dict[str, Guarded] | None = None,
    idp: Idp | None = None,
    **config: Any,
) -> AsyncIterator[Stage]:
    """`strategies` are the settings of each backend; those that are not given take everybody."""
    idp = idp or Idp()
    async with idp.running():
        more = strategies(idp)
        made = {name: (backends or {}).get(name) or Guarded() for name in more}
        settings = {"incomingAuth": oidc(idp), "secrets": SECRETS, **config}
        async with scene(made, more=more, **settings) as world:
            yield Stage(world, idp, made)
