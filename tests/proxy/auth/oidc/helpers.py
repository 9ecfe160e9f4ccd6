"""A whole proxy whose callers come with tokens of a small identity provider."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from tests.support.eras import Era
from tests.support.idp import Idp
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import Scene, scene
from tests.support.scripted_backend import ScriptedBackend

CHALLENGE = re.compile(r'([a-z_]+)="([^"]*)"')
SECRET = ("idp", "secret")


def oidc(idp: Idp, **settings: Any) -> dict[str, Any]:
    """`incomingAuth` for tokens of a provider on loopback."""
    usual = {"issuer": idp.issuer, "audience": idp.audience, "network": "local", "insecureAllowHttp": True}
    return {"type": "oidc", "oidc": {**usual, **settings}}


def introspecting(idp: Idp, **settings: Any) -> dict[str, Any]:
    """The same, with a client that may ask about opaque tokens."""
    secret = {"name": SECRET[0], "key": SECRET[1]}
    return oidc(idp, **{"clientId": "proxy", "clientSecretRef": secret, **settings})


@dataclass
class Door:
    """One proxy and its provider."""

    world: Scene
    idp: Idp
    backend: ScriptedBackend

    def bearing(self, token: str, scheme: str = "Bearer") -> RawClient:
        return self.world.client(authorization=f"{scheme} {token}")

    async def knock(self, token: str | None, **headers: str):
        """The answer to the first request of a client; nobody stays in."""
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        async with self.world.client(**headers) as client:
            answer = await client.post(client.opening)
            if answer.status_code == 200 and client.era is Era.LEGACY:
                client.session = answer.headers["mcp-session-id"]
                await client.send("DELETE")
            return answer

    async def status_of(self, token: str | None, **headers: str) -> int:
        return (await self.knock(token, **headers)).status_code

    async def issuer(self) -> dict[str, str]:
        """What `/status` says of the provider."""
        return (await self.world.status())["issuer"]


def challenge_of(answer) -> dict[str, str]:
    """The parameters of a Bearer challenge."""
    value = answer.headers["www-authenticate"]
    assert value.startswith("Bearer ")
    return dict(CHALLENGE.findall(value))


@contextlib.asynccontextmanager
async def door(
    idp: Idp | None = None,
    auth: Callable[..., dict[str, Any]] = oidc,
    *,
    is_reached: bool = True,
    config: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Door]:
    """Runs a proxy; with `is_reached`, from when it has seen the provider's keys. `settings` are those of `auth`.

    A provider that is given runs already, or does not on purpose.
    """
    backend = ScriptedBackend()
    async with contextlib.AsyncExitStack() as stack:
        if idp is None:
            idp = await stack.enter_async_context(Idp().running())
        document = {"incomingAuth": auth(idp, **settings), **(config or {})}
        world = await stack.enter_async_context(scene({"one": backend}, secrets={SECRET: "proxy-secret"}, **document))
        made = Door(world, idp, backend)
        if is_reached:
            authenticators = world.inside.authenticators
            await eventually(lambda: authenticators.provider_state.is_reached)
        yield made
