"""What an explanation says is what lists and calls do: for random policies, settings, callers and names."""

import asyncio
import contextlib
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proxy.endpoint.helpers import QUIET
from tests.support.callers import ISSUER, BySubject
from tests.support.examples import examples
from tests.support.raw_client import RawClient
from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import Scene, scene
from tests.support.scripted_backend import ScriptedBackend, text, tool
from vmcp_proxy.auth.decision import Decision
from vmcp_proxy.core.policy.questions import AllowAll

pytestmark = pytest.mark.scenario("Z-7")

SUBJECTS = ("alice", "bob")
OFFERED = {"one": ("a", "b", "c"), "two": ("a", "c", "d"), "three": ("a", "long.name with blanks")}
ORIGINALS = sorted({name for names in OFFERED.values() for name in names})
EXPOSED = sorted({f"{backend}_{name}" for backend, names in OFFERED.items() for name in (*names, "e")})
NAMES = [*ORIGINALS, *EXPOSED, "e", "nobody", "one_nothing", "x_y"]


class WithArguments(RuleBased):
    """Rules of which those for some names hold only for calls with `{"safe": true}`."""

    def __init__(self, rules, careful):
        super().__init__(rules)
        self.version += "".join(sorted(careful))
        self.careful = careful

    async def decide(self, question):
        decision = await super().decide(question)
        arguments = {} if question.arguments is None else json.loads(question.arguments)
        if question.name in self.careful and not arguments.get("safe"):
            return Decision(admits=False)
        return decision


patterns = st.sampled_from([*NAMES, "*", "one_*", "*_a", "?"])
some = st.lists(patterns, max_size=2).map(tuple)
rule = st.builds(
    Rule, st.sampled_from(Effect), subjects=st.lists(st.sampled_from(SUBJECTS), max_size=1).map(tuple), names=some
)
policies = st.one_of(
    st.just(AllowAll()),
    st.builds(WithArguments, st.lists(rule, min_size=1, max_size=4).map(tuple), st.frozensets(st.sampled_from(NAMES))),
)
overrides = st.dictionaries(
    st.sampled_from(ORIGINALS), st.sampled_from(["e", "a", "d"]).map(lambda name: {"name": name})
)
workload = st.fixed_dictionaries(
    {"workload": st.sampled_from(sorted(OFFERED))},
    optional={
        "filter": st.lists(st.sampled_from([*NAMES]), max_size=3),
        "excludeAll": st.booleans(),
        "overrides": overrides,
    },
)
aggregations = st.fixed_dictionaries(
    {
        "conflictResolution": st.sampled_from(["prefix", "priority", "manual"]),
        "conflictResolutionConfig": st.fixed_dictionaries(
            {"priorityOrder": st.lists(st.sampled_from(sorted(OFFERED)), unique=True)}
        ),
    },
    optional={
        "excludeAllTools": st.booleans(),
        "defaultToolVisibility": st.sampled_from(["allow", "deny"]),
        "tools": st.lists(workload, max_size=3, unique_by=lambda entry: entry["workload"]),
    },
)


class World:
    """One proxy for all examples, with a session for each of the callers."""

    def __init__(self, runner: asyncio.Runner, running: Scene, clients: dict[str, RawClient]) -> None:
        self.runner, self.scene, self.clients = runner, running, clients

    async def check(self, subject: str, name: str, arguments: dict | None) -> None:
        """The explanation says of this caller and this name what the list shows and what the call gets."""
        client = self.clients[subject]
        about = {"subject": subject, "issuer": ISSUER, "claims": {"iss": ISSUER, "sub": subject}}
        given = {} if arguments is None else {"arguments": arguments}
        said = await self.scene.explain(name, identity=about, **given)
        assert said["listed"] == (name in await client.names()), said
        params = {"name": name, **given}
        answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        has_run = answer.status_code == 200 and "result" in answer.json()
        # What depends on arguments may be admitted, and is not without them.
        expected = said["conclusion"] == "allowed"
        assert has_run == expected, (said, answer.text)
        if arguments is not None:
            assert said["conclusion"] != "depends"
        if has_run:
            (content,) = answer.json()["result"]["content"]
            chain = said["chains"][0]
            assert content["text"] == f"{chain['backend']} {chain['original']}"


def backend(name: str) -> ScriptedBackend:
    made = ScriptedBackend(tools=[tool(each) for each in OFFERED[name]])

    @made.on("tools/call")
    async def answer(call):
        return text(f"{name} {call.params['name']}")

    return made


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()

        async def begin() -> World:
            running = await stack.enter_async_context(scene({each: backend(each) for each in OFFERED}, config=QUIET))
            stack.enter_context(running.inside.authenticated_by(BySubject()))
            running.apply()
            clients = {
                each: await stack.enter_async_context(running.session(authorization=f"Bearer {each}"))
                for each in SUBJECTS
            }
            return World(runner, running, clients)

        try:
            yield runner.run(begin())
        finally:
            runner.run(stack.aclose())


@pytest.mark.timeout(400)
@settings(max_examples=examples(120), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    aggregation=aggregations,
    policy=policies,
    subject=st.sampled_from(SUBJECTS),
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True),
    arguments=st.sampled_from([None, {}, {"safe": True}]),
)
def test_an_explanation_says_what_lists_and_calls_do(world, aggregation, policy, subject, names, arguments):
    async def check() -> None:
        world.scene.apply(admitter=policy, config={**QUIET, "aggregation": aggregation})
        shown = await world.clients[subject].names()
        for name in (*names, *shown[:2]):
            await world.check(subject, name, arguments)

    world.runner.run(check())
