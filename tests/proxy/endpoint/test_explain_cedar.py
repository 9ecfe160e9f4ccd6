"""What an explanation says under random Cedar policies is what was done, in either mode, and names the policy."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proxy.core.policy.cedar.test_matrix import POLICIES
from tests.proxy.endpoint.helpers import QUIET
from tests.support.callers import ISSUER, ByClaims, token_of
from tests.support.examples import examples
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_backend import ScriptedBackend, tool

pytestmark = pytest.mark.scenario("Z-6", "Z-7", "Z-8")

ORDER = {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["b", "c"]}}
CALLS = {"tool": ("tools/call", "name"), "prompt": ("prompts/get", "name"), "resource": ("resources/read", "uri")}
NAMES = [("tool", "t"), ("tool", "u"), ("tool", "t2"), ("tool", "no"), ("prompt", "t"), ("resource", "x://a")]
NAMES += [("resource", "x://b/1"), ("resource", "y://a/1/z"), ("resource", "z://no")]
NAMES += [("resource", "ui://vmcp.dev/c/a/../b"), ("resource", "y://a/../z")]
LISTS = {"tool": ("tools",), "prompt": ("prompts",), "resource": ("resources",)}
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "groups": st.lists(st.sampled_from(["dev", "ops"]), unique=True),
        "team": st.sampled_from(["red", 3]),
        "level": st.integers(0, 4),
    },
)
ARGUMENTS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["/open/a", "t"]),
        "count": st.integers(0, 5),
        "flag": st.booleans(),
        "tags": st.just(["a"]),
    },
)


def backends() -> dict[str, ScriptedBackend]:
    hint = {"annotations": {"readOnlyHint": True}}
    template = {"uriTemplate": "y://a/{id}/z", "name": "y"}
    return {
        "b": ScriptedBackend(tools=[tool("t", **hint), tool("u")], resources=[{"uri": "x://a", "name": "a"}]),
        "c": ScriptedBackend(
            tools=[tool("t2"), tool("u")],
            prompts=[{"name": "t"}],
            resources=[{"uri": "x://b/1", "name": "b"}],
            templates=[template],
        ),
    }


class World:
    """One proxy for all examples, and a session for each of the callers, whose claims each request tells."""

    def __init__(self, runner: asyncio.Runner, running: Scene, clients: dict[str, RawClient]) -> None:
        self.runner, self.scene, self.clients = runner, running, clients

    async def check(self, subject: str, claims: dict, kind: str, name: str, arguments: dict | None) -> None:
        client, token = self.clients[subject], token_of(subject, **claims)
        given = {} if arguments is None or kind == "resource" else {"arguments": arguments}
        about = {"subject": subject, "issuer": ISSUER, "claims": {"iss": ISSUER, "sub": subject, **claims}}
        said = await self.scene.explain(name, kind=kind, identity=about, **given)
        listed = await client.names(f"{kind}s", authorization=token)
        if not name.startswith("y://"):
            assert said["listed"] == (name in listed), said
        method, member = CALLS[kind]
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {member: name, **given}}
        answer = await client.post(message, authorization=token)
        has_run = answer.status_code == 200 and "result" in answer.json()
        # What depends on the arguments that are not told may be admitted, and is not without them.
        assert has_run == (said["conclusion"] == "allowed"), (said, answer.text)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()

        async def begin() -> World:
            config = {**QUIET, "aggregation": ORDER}
            running = await stack.enter_async_context(scene(backends(), config=config))
            stack.enter_context(running.inside.authenticated_by(ByClaims()))
            running.apply()
            clients = {}
            for each in ("alice", "bob"):
                token = token_of(each)
                clients[each] = await stack.enter_async_context(running.session(authorization=token))
            return World(runner, running, clients)

        try:
            yield runner.run(begin())
        finally:
            runner.run(stack.aclose())


@pytest.mark.timeout(400)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    policies=POLICIES,
    mode=st.sampled_from(["Enforce", "Enforce", "Shadow"]),
    subject=st.sampled_from(["alice", "bob"]),
    claims=CLAIMS,
    names=st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True),
    arguments=ARGUMENTS,
)
def test_an_explanation_says_what_cedar_does(world, policies, mode, subject, claims, names, arguments):
    async def check() -> None:
        world.scene.apply(authorization={"policies": policies, "mode": mode})
        for kind, name in names:
            await world.check(subject, claims, kind, name, arguments)

    world.runner.run(check())


def test_the_policy_is_named_that_decides_or_would_decide(world):
    policies = [
        '@id("readers") permit(principal in Group::"dev", action, resource);',
        '@id("not-u") forbid(principal, action, resource == Tool::"u");',
        '@id("safe") permit(principal, action, resource == Tool::"t2") when { context has arg_safe };',
    ]
    alice, bob = {"subject": "alice", "claims": {"groups": ["dev"]}}, {"subject": "bob"}

    async def told(mode: str, name: str, who: dict) -> tuple[str, dict]:
        world.scene.apply(authorization={"policies": policies, "mode": mode})
        said = await world.scene.explain(name, identity=who)
        (step,) = [each for each in said["chains"][0]["steps"] if each["stage"] == "admission"]
        return said["conclusion"], step

    conclusion, step = world.runner.run(told("Enforce", "t", alice))
    assert (conclusion, step["policies"]) == ("allowed", ["readers"])
    conclusion, step = world.runner.run(told("Enforce", "u", alice))
    assert (conclusion, step["policies"]) == ("denied", ["not-u"])
    assert "policy not-u forbids call_tool 'u' to 'alice'" in step["reason"]
    conclusion, step = world.runner.run(told("Shadow", "u", alice))
    assert (conclusion, step["verdict"], step["policies"]) == ("allowed", "pass", ["not-u"])
    assert "in mode Shadow nothing follows from it" in step["reason"]
    conclusion, step = world.runner.run(told("Enforce", "t2", bob))
    assert (conclusion, step["verdict"], step["policies"]) == ("depends", "depends", ["safe"])
    assert "policy safe can admit a call of 't2', but none without arguments" in step["reason"]
