"""What was said in a session is said again to tokens that say what the one before them said (ADR-0026)."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.resuming import CUSTOM, LOST, Steps, answer_of, numbers, say
from tests.support.callers import ByClaims, token_of
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import text

POLICIES = ['permit(principal in Group::"eng", action, resource);']


@pytest.mark.scenario("P-10", "P-12")
async def test_a_token_that_policies_deny_a_tool_gets_no_answer_of_a_call_that_another_one_began():
    steps = Steps()
    config = {"authorization": {"policies": POLICIES, "groupClaims": ["groups"]}, "name": "p"}
    async with scene({"one": steps.backend}, config=QUIET, **config) as world:
        with world.inside.authenticated_by(ByClaims()):
            world.apply()
            async with world.session(authorization=token_of("ada", groups=["eng"], jti="a")) as client:
                steps.steps.put_nowait(1)
                async with client.posting("tools/call", {"name": "one_echo"}) as broken:
                    await broken.until(CUSTOM)
                steps.steps.put_nowait("done")
                client.headers = {"authorization": token_of("ada", groups=[], jti="a")}
                async with client.listening(**{"last-event-id": broken.ids[0]}) as refused:
                    await eventually(lambda: refused.ended)
                assert (numbers(refused), answer_of(refused)["error"]["code"]) == ([], LOST)
                client.headers = {"authorization": token_of("ada", groups=["eng"], jti="b")}
                async with client.listening(**{"last-event-id": broken.ids[0]}) as rest:
                    await eventually(lambda: rest.ended)
                assert (numbers(rest), answer_of(rest)["result"]) == ([1], text("done"))


@pytest.mark.scenario("P-10", "P-12")
async def test_what_the_stream_of_a_session_told_one_token_is_not_told_again_to_another_one():
    steps = Steps()
    async with scene({"one": steps.backend}, config=QUIET) as world:
        with world.inside.authenticated_by(ByClaims()):
            world.apply()
            async with world.session(authorization=token_of("ada", groups=["eng"], jti="a")) as client:
                async with client.listening() as first:
                    say(world, 1)
                    await first.until(CUSTOM)
                back = {"last-event-id": first.ids[0]}
                client.headers = {"authorization": token_of("ada", groups=["eng"], jti="b")}
                async with client.listening(**back) as same:
                    await same.until(CUSTOM)
                client.headers = {"authorization": token_of("ada", groups=[], jti="a")}
                async with client.listening(**back) as other:
                    say(world, 2)
                    await other.until(CUSTOM)
                assert (numbers(first), numbers(same), numbers(other)) == ([1], [1], [2])
