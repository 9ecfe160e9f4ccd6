"""Strategies in front of a small identity provider."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.support.idp import Idp
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.network import Network, Reach
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.outgoing.client_credentials import ClientCredentials
from vmcp_proxy.auth.outgoing.token_endpoint import TokenEndpoint
from vmcp_proxy.auth.outgoing.token_exchange import TokenExchange
from vmcp_proxy.auth.outgoing.tokens import TokenSource
from vmcp_proxy.http_client import ClientLimits, HttpClient

PLACE = "the token endpoint"


@dataclass
class Desk:
    """What strategies are made of; `clock` is the loop's time, which a test may turn on."""

    idp: Idp
    http: HttpClient
    tasks: asyncio.TaskGroup
    ahead: float = field(default=0.0)

    def endpoint(self, idp: Idp | None = None, client: str | None = "proxy", secret: str | None = "proxy-secret"):
        reach = Reach(network=Network.LOCAL, insecure_allow_http=True)
        value = None if secret is None else SecretBytes(secret.encode())
        return TokenEndpoint(PLACE, (idp or self.idp).url("token"), reach, self.http, client, value)

    def client_credentials(self, **more) -> TokenSource:
        return TokenSource("one", ClientCredentials(self.endpoint(), **more), self.tasks)

    def token_exchange(self, **more) -> TokenSource:
        return TokenSource("one", TokenExchange(self.endpoint(), **more), self.tasks)

    def turn_on(self, seconds: float) -> None:
        """Lets time pass."""
        self.ahead += seconds


@contextlib.asynccontextmanager
async def desk(monkeypatch, **settings) -> AsyncIterator[Desk]:
    """A running provider; time passes as the test says, and not while it waits."""
    idp = Idp(**settings)
    loop = asyncio.get_running_loop()
    real = loop.time
    http = HttpClient(ClientLimits())
    try:
        async with idp.running(), asyncio.TaskGroup() as tasks:
            made = Desk(idp, http, tasks)
            monkeypatch.setattr(loop, "time", lambda: real() + made.ahead)
            yield made
            monkeypatch.setattr(loop, "time", real)
    finally:
        await http.aclose()


def caller(idp: Idp, subject: str = "alice", **more) -> Identity:
    return Identity(idp.issuer, subject, token=SecretBytes(idp.mint(subject, **more).encode()))


def bearer(grant) -> str:
    name, value = grant.header.headers[0]
    assert name == "Authorization"
    assert value.startswith(b"Bearer ")
    return value.decode().removeprefix("Bearer ")
