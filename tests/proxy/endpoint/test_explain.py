"""Why a tool is missing or denied, in the order in which it was decided."""

import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.plain_http import http_client
from tests.support.policies import NamePolicy
from tests.support.raw_client import eventually
from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, tool
from tests.support.serving import admin_of, http_backend
from vmcp_proxy.auth.decision import Decision
from vmcp_proxy.core.policy.questions import Action

pytestmark = pytest.mark.scenario("Z-7")

ALICE = {"subject": "alice", "issuer": "https://idp.example"}


def backends():
    return {
        "docs": ScriptedBackend(tools=[tool("search"), tool("write")], prompts=[{"name": "ask"}]),
        "web": ScriptedBackend(tools=[tool("search"), tool("fetch")], resources=[{"uri": "test://a", "name": "a"}]),
    }


QUICK = operational(failureHandling={"healthCheckInterval": "200ms", "unhealthyThreshold": 1})


def aggregated(**aggregation):
    return {**QUIET, "aggregation": aggregation}


def verdicts(chain):
    return {step["stage"]: step["verdict"] for step in chain["steps"]}


def step_of(explanation, stage, chain=0):
    return next(step for step in explanation["chains"][chain]["steps"] if step["stage"] == stage)


@pytest.fixture
async def world():
    async with scene(backends(), config=QUIET) as running, running.session() as client:
        await client.names()
        yield running


async def test_what_everybody_may_call_passes_every_step_in_their_order(world):
    said = await world.explain("web_search")
    assert (said["conclusion"], said["listed"], said["notes"]) == ("allowed", True, [])
    (chain,) = said["chains"]
    assert (chain["backend"], chain["original"], chain["exposed"]) == ("web", "search", "web_search")
    assert [(step["stage"], step["verdict"]) for step in chain["steps"]] == [
        (stage, "pass") for stage in ("backend", "conflict", "filter", "admission", "limit")
    ]
    assert "with its prefix" in step_of(said, "conflict")["reason"]


async def test_a_name_that_only_a_backend_knows_leads_to_the_one_that_clients_know(world):
    said = await world.explain("fetch")
    assert (said["conclusion"], said["listed"]) == ("unknown", False)
    assert [(chain["exposed"], chain["conclusion"]) for chain in said["chains"]] == [("web_fetch", "allowed")]
    both = await world.explain("search")
    assert [chain["exposed"] for chain in both["chains"]] == ["docs_search", "web_search"]


async def test_a_name_that_nobody_has_is_told_with_what_may_have_been_meant(world):
    said = await world.explain("web_serach")
    assert (said["conclusion"], said["chains"]) == ("unknown", [])
    assert said["notes"] == ["no backend lists this tool; did you mean 'web_search'?"]


@pytest.mark.parametrize(
    ("aggregation", "setting", "change"),
    [
        ({"excludeAllTools": True}, "excludeAllTools", "set it to false"),
        ({"defaultToolVisibility": "deny"}, "defaultToolVisibility", "add an entry, or set it to allow"),
        ({"tools": [{"workload": "web", "excludeAll": True}]}, "tools[workload=web].excludeAll", "set it to false"),
        ({"tools": [{"workload": "web", "filter": ["search"]}]}, "tools[workload=web].filter", "add fetch to it"),
        (
            {"tools": [{"workload": "web", "filter": ["search"], "toolConfigRef": {"name": "curated"}}]},
            "tools[workload=web].filter with toolsFilter of the MCPToolConfig 'curated'",
            "add fetch to it",
        ),
    ],
)
async def test_what_a_filter_leaves_out_is_told_with_the_setting_that_does(world, aggregation, setting, change):
    world.apply(config=aggregated(**aggregation))
    said = await world.explain("web_fetch")
    assert (said["conclusion"], said["listed"]) == ("hidden", False)
    step = step_of(said, "filter")
    assert step["verdict"] == "stop"
    assert step["reason"].startswith(f"spec.config.aggregation.{setting} ")
    assert step["change"] == change


async def test_who_loses_a_name_hears_to_whom_and_who_wins_it_from_whom(world):
    order = {"priorityOrder": ["docs", "web"]}
    world.apply(config=aggregated(conflictResolution="priority", conflictResolutionConfig=order))
    said = await world.explain("search")
    assert (said["conclusion"], said["listed"]) == ("allowed", True)
    assert [(chain["backend"], chain["conclusion"]) for chain in said["chains"]] == [
        ("docs", "allowed"),
        ("web", "withheld"),
    ]
    assert "it won the name over backend 'web'" in step_of(said, "conflict")["reason"]
    assert "backend 'docs' stands higher in priorityOrder" in step_of(said, "conflict", 1)["reason"]

    world.apply(config=aggregated(conflictResolution="manual"))
    said = await world.explain("search")
    assert (said["conclusion"], said["listed"]) == ("withheld", False)
    assert "nothing decides between them" in step_of(said, "conflict")["reason"]


async def test_a_hidden_winner_is_named_to_the_loser(world):
    order = {"priorityOrder": ["docs", "web"]}
    tools = [{"workload": "docs", "excludeAll": True}]
    world.apply(config=aggregated(conflictResolution="priority", conflictResolutionConfig=order, tools=tools))
    said = await world.explain("search")
    assert [(chain["backend"], chain["conclusion"]) for chain in said["chains"]] == [
        ("docs", "hidden"),
        ("web", "withheld"),
    ]
    assert "backend 'docs' has won it and is hidden by a filter" in step_of(said, "conflict", 1)["reason"]


async def test_a_policy_that_denies_is_named_after_what_else_would_have_to_change(world):
    rules = (Rule(Effect.PERMIT, names=("web_*",)), Rule(Effect.FORBID, subjects=("alice",), names=("web_fetch",)))
    world.apply(admitter=RuleBased(rules), config=aggregated(tools=[{"workload": "web", "filter": ["search"]}]))
    assert (await world.explain("web_search", identity=ALICE))["conclusion"] == "allowed"
    said = await world.explain("web_fetch", identity=ALICE)
    assert said["conclusion"] == "hidden"
    assert (verdicts(said["chains"][0])["filter"], verdicts(said["chains"][0])["admission"]) == ("stop", "stop")
    world.apply(config=QUIET)
    assert (await world.explain("web_fetch", identity=ALICE))["conclusion"] == "denied"
    assert (await world.explain("web_fetch", identity={"subject": "bob"}))["conclusion"] == "allowed"


class ByArguments(NamePolicy):
    """Admits calls with `{"safe": true}` alone, and names the policy that does."""

    def admits(self, identity, action, capability, name):
        return action is Action.CALL_TOOL

    async def decide(self, question):
        if question.arguments == b'{"safe":true}':
            return Decision(admits=True, policies=("only-safe",))
        return Decision(admits=False)


async def test_what_depends_on_arguments_is_told_so_until_they_are_given(world):
    world.apply(admitter=ByArguments())
    said = await world.explain("web_fetch", identity=ALICE)
    assert (said["conclusion"], said["listed"]) == ("depends", True)
    assert verdicts(said["chains"][0])["admission"] == "depends"
    said = await world.explain("web_fetch", identity=ALICE, arguments={"safe": True})
    assert (said["conclusion"], step_of(said, "admission")["policies"]) == ("allowed", ["only-safe"])
    assert (await world.explain("web_fetch", identity=ALICE, arguments={"safe": 1}))["conclusion"] == "denied"


class Failing(NamePolicy):
    """Admits everything by a policy that fails."""

    def admits(self, identity, action, capability, name):
        return True

    async def decide(self, question):
        return Decision(admits=True, policies=("one",), errors=("two",), why=("it has no x",))


async def test_a_policy_that_fails_is_named_as_what_denies(world):
    world.apply(admitter=Failing())
    said = await world.explain("web_fetch", arguments={})
    assert (said["conclusion"], step_of(said, "admission")["errors"]) == ("denied", ["two"])
    assert "policy two failed (it has no x)" in step_of(said, "admission")["reason"]


class Doubting(Failing):
    """Cannot tell which URI it is asked about."""

    async def decide(self, question):
        return Decision(admits=False, flaw="a fragment")


async def test_a_name_that_no_policy_can_judge_is_denied_for_that_and_not_for_want_of_a_permit(world):
    world.apply(admitter=Doubting())
    step = step_of(await world.explain("web_fetch", arguments={}), "admission")
    assert "it holds a fragment" in step["reason"]
    assert "no policy permits" not in step["reason"]
    assert step["change"]


async def test_backends_that_do_not_serve_are_told_with_what_ails_them():
    backend, dead = ScriptedBackend(tools=[tool("a")]), http_backend("dead", 9)
    missing = {"valueSecretRef": {"name": "gone", "key": "k"}, "headerName": "X-Key"}
    withheld = http_backend("closed", 9, headerForward={"addHeadersFromSecret": [missing]})
    async with contextlib.AsyncExitStack() as going:
        await going.enter_async_context(backend.running())
        known = http_backend("down", backend.port)
        async with scene({}, config=QUICK, extra=(known, dead, withheld)) as world, world.session() as client:
            assert await client.names() == ["down_a"]
            for name in ("dead", "closed"):
                said = await world.explain(f"{name}_x")
                assert (said["conclusion"], said["chains"][0]["backend"]) == ("unavailable", name)
                assert verdicts(said["chains"][0])["backend"] == "stop"
            assert "gone" in step_of(await world.explain("closed_x"), "backend")["reason"]
            await going.aclose()
            await eventually(lambda: world.inside.members["down"].health.is_down)
            said = await world.explain("down_a")
            assert (said["conclusion"], said["listed"]) == ("unavailable", False)
            assert verdicts(said["chains"][0])["backend"] == "stop"


async def test_all_or_nothing_is_a_step_where_it_is_set_and_stops_everything():
    dead = http_backend("dead", 9)
    config = operational(failureHandling={"partialFailureMode": "fail", "healthCheckInterval": "1s"})
    async with scene({"web": ScriptedBackend(tools=[tool("a")])}, config=config, extra=(dead,)) as world:
        await eventually(lambda: world.inside.members["dead"].health.is_down)
        await eventually(lambda: world.proxy.catalog().tools)
        said = await world.explain("web_a")
        assert (said["conclusion"], said["listed"]) == ("unavailable", False)
        assert verdicts(said["chains"][0])["group"] == "stop"
        assert "backend 'dead' is unhealthy" in step_of(said, "group")["reason"]


@pytest.mark.parametrize(
    ("kind", "name", "exposed"), [("prompt", "docs_ask", "docs_ask"), ("resource", "test://a", "test://a")]
)
async def test_resources_and_prompts_are_explained_too(world, kind, name, exposed):
    said = await world.explain(name, kind=kind)
    assert (said["conclusion"], said["chains"][0]["exposed"], said["kind"]) == ("allowed", exposed, kind)
    assert step_of(said, "filter")["reason"] == f"nothing filters {kind}s"


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"{", {}, 400, "The body is no question"),
        (b"[]", {}, 400, "Expected `object`, got `array`"),
        (b'{"name":"a","who":1}', {}, 400, "unknown field `who`"),
        (b'{"name":""}', {}, 400, "1 to 4096 characters (found 0)"),
        (b'{"name":"a","kind":"template"}', {}, 400, "ask for a template by a URI"),
        (b'{"name":"a","arguments":[]}', {}, 400, "got `array` - at `$.arguments`"),
        (b'{"name":"a","identity":{}}', {}, 400, "`subject`"),
        (b'{"name":"' + b"a" * (1 << 20) + b'"}', {}, 413, "longer than 1048576 bytes"),
        (b'{"name":"a"}', {"content-type": "text/plain"}, 415, "application/json (found 'text/plain')"),
        (b'{"name":"a"}', {"host": "evil.example"}, 421, "names of this machine"),
    ],
)
async def test_a_bad_question_hears_what_came_and_what_to_send(world, body, headers, status, says):
    headers = {"content-type": "application/json", **headers}
    async with http_client() as http:
        answer = await http.post(admin_of(world.proxy) + "/explain", content=body, headers=headers)
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text


async def test_the_endpoint_of_the_clients_explains_nothing(world):
    async with http_client() as http:
        answer = await http.post(world.url.removesuffix("/mcp") + "/explain", json={"name": "web_search"})
    assert answer.status_code == 404
