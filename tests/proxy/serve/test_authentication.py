"""What authentication decides reaches the client as status and challenge, and the dispatch as an identity."""

import pytest

from tests.proxy.serve.harness import answer_empty, call
from tests.support.callers import AskedEachTime
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.refusal import Fault, Refusal


class Fixed(AskedEachTime):
    """Gives one verdict on everybody."""

    def __init__(self, verdict):
        self.verdict = verdict

    async def authenticate(self, authorization, source):
        return self.verdict


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.NO_CREDENTIALS, 401),
        (Fault.INVALID_REQUEST, 400),
        (Fault.INVALID_TOKEN, 401),
        (Fault.INSUFFICIENT_SCOPE, 403),
    ],
)
async def test_a_refusal_has_the_status_of_its_fault_and_its_challenge(world, fault, status):
    refusal = Refusal(fault, "Get another token.", ("mcp:tools",))
    async with world.serving(authenticator=Fixed(refusal)):
        answer = await world.post(call(), authorization="Bearer x")
    assert answer.status_code == status
    assert answer.headers["www-authenticate"].encode() == refusal.headers[0][1]
    assert answer.json()["error"] == {"code": -32000, "message": "Get another token."}


async def test_the_dispatch_knows_how_long_the_credentials_hold_and_what_for(world):
    seen = []

    async def probe(context):
        seen.append((context.identity.expires_at, context.identity.scopes))
        await answer_empty(context)

    world.dispatch = probe
    identity = Identity("i", "ada", scopes=frozenset({"mcp:tools"}), expires_at=1_900_000_000.0)
    async with world.serving(authenticator=Fixed(identity)):
        await world.post(call(), authorization="Bearer x")
    assert seen == [(1_900_000_000.0, frozenset({"mcp:tools"}))]
