"""The seam that can only take away: lists and calls decide alike."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.core.builders import exposed, listing, merged, settings
from tests.support.policies import Heard, NamePolicy
from tests.support.rules import Effect, Rule, RuleBased
from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.auth.decision import Decision, DecisionRecord
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Denied, PartialFailure, Reply, Result, Unknown, Unlisted
from vmcp_proxy.core.owners.owner import resource_of
from vmcp_proxy.core.policy.admission import Admission
from vmcp_proxy.core.policy.questions import Action, Admitter, Question
from vmcp_proxy.core.targets import find_target
from vmcp_proxy.core.virtual import (
    Caller,
    Exchange,
    Operation,
    Resolved,
    Target,
    VirtualMCP,
    call,
)
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import METHODS

ALICE = Identity("https://issuer.example", "alice", claims={"groups": ["dev"]})
BOB = Identity("https://issuer.example", "bob")
UNKNOWN = Unknown(Kind.TOOL, "it")

CATALOG = merged(
    listing("a", tools=["x", "y"], prompts=["p"], resources=["x://r"], templates=["t://{id}"]),
    listing("b", tools=["x", "hidden"], prompts=["p"], resources=["y://r"]),
    using=settings(tools=[{"workload": "b", "filter": ["x"]}]),
)


@dataclass
class Inner:
    """A server that answers whatever its catalog holds and remembers what reached it."""

    catalog: Catalog = CATALOG
    reached: list[Operation] = field(default_factory=list)

    async def view(self, caller: Caller) -> Catalog:
        return self.catalog

    async def list(self, caller: Caller, kind: Kind) -> Catalog | PartialFailure:
        return self.catalog

    async def resolve(self, caller: Caller, operation: Operation) -> Resolved:
        found = find_target(self.catalog, operation)
        return None if found is None else Target(found, None, 0.0)

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        self.reached.append(operation)
        return UNKNOWN if operation.name and resolved is None else Result(b"{}")


@dataclass
class Groups(NamePolicy):
    """Admits by a claim, and counts how often it is asked."""

    version: str = "1"
    mode: PolicyMode = PolicyMode.ENFORCE
    asked: int = 0

    def admits(self, identity: Identity, action: Action, capability: Capability | None, name: str) -> bool:
        self.asked += 1
        return "dev" in identity.claims.get("groups", ())


class NoExchange:
    def __init__(self) -> None:
        self.decision: Decision | None = None

    def routed(self, backend: str, credentials: object) -> None:
        pass

    def decided(self, record: DecisionRecord) -> None:
        self.decision = record.decision

    async def send(self, message: bytes, on_drop=None) -> None:
        raise AssertionError("nothing is sent to the client here")


def admission_of(inner: VirtualMCP, admitter: Admitter, heard: Heard | None = None, **more: int) -> Admission:
    return Admission(inner, admitter, heard or Heard(), lambda _: None, **more)


def caller(identity: Identity = ALICE) -> Caller:
    return Caller(identity, client=None)


class Paths:
    """Admits calls by an argument, once it has been told what it waits for; a list shows whatever may be called."""

    version = "1"
    mode = PolicyMode.ENFORCE

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.begun, self.told = asyncio.Event(), asyncio.Event()
        self.errors: tuple[str, ...] = ()

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        self.begun.set()
        await self.told.wait()
        may = json.loads(question.arguments or b"{}").get("path") == "/open"
        return Decision(may, ("by-path",), self.errors)

    def shows(self, identity: Identity, capabilities: Sequence[Capability]) -> Sequence[bool]:
        return [True] * len(capabilities)


def operation(method: str, name: str) -> Operation:
    if method == "completion/complete":
        return Operation(method, Kind.TEMPLATE if "://" in name else Kind.PROMPT, name)
    known = METHODS.get(method)
    return Operation(method, known and known.kind, name)


async def ask(admission: Admission, method: str, name: str, identity: Identity = ALICE) -> Reply:
    return await answer_of(admission, operation(method, name), identity)


async def answer_of(admission: Admission, asked: Operation, identity: Identity = ALICE) -> Reply:
    resolved = await admission.resolve(caller(identity), asked)
    return await admission.perform(caller(identity), asked, resolved, NoExchange())


def permitting(*names: str, forbidding: tuple[str, ...] = ()) -> RuleBased:
    forbids = (Rule(Effect.FORBID, names=forbidding),) if forbidding else ()
    return RuleBased((Rule(Effect.PERMIT, names=names), *forbids))


CALLS = {
    Kind.TOOL: ("tools/call",),
    Kind.PROMPT: ("prompts/get", "completion/complete"),
    Kind.RESOURCE: ("resources/read", "resources/subscribe", "completion/complete"),
    Kind.TEMPLATE: ("completion/complete",),
}

PATTERNS = st.sampled_from(["*", "a_*", "b_*", "a_x", "?_p", "x://*", "*://r", "t://*", "t://1", "nothing"])
RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from(Effect),
        subjects=st.sampled_from([(), ("alice",), ("bob",)]),
        actions=st.sets(st.sampled_from(Action)).map(lambda actions: tuple(sorted(actions))),
        names=st.lists(PATTERNS, max_size=2).map(tuple),
    ),
    max_size=4,
).map(tuple)


@given(RULES, st.sampled_from([ALICE, BOB]))
async def test_what_is_listed_is_callable_and_what_is_not_answers_like_what_does_not_exist(rules, identity):
    inner = Inner()
    admission = admission_of(inner, RuleBased(rules))
    view = await admission.view(caller(identity))
    for kind in Kind:
        listed = set(exposed(view.of(kind)))
        assert listed <= set(exposed(inner.catalog.of(kind)))
        for entry in inner.catalog.of(kind):
            for method in CALLS[kind]:
                reply = await ask(admission, method, entry.exposed, identity)
                assert reply == (Result(b"{}") if entry.exposed in listed else Denied()), (method, entry.exposed)
    reached = len(inner.reached)
    for method, name in (
        ("tools/call", "b_hidden"),
        ("tools/call", "nothing"),
        ("tools/call", "x"),
        ("prompts/get", "a_x"),
        ("resources/read", "z://r"),
        ("completion/complete", "a_x"),
    ):
        assert await ask(admission, method, name, identity) == Denied()
    assert len(inner.reached) == reached


@given(RULES, st.sampled_from(["t://1", "t://2", "t://{id}", "t://1/2"]))
async def test_a_template_is_decided_on_the_uri_that_is_read(rules, uri):
    admitter = RuleBased(rules)
    reply = await ask(admission_of(Inner(), admitter), "resources/read", uri)
    entry = CATALOG.find(Kind.TEMPLATE, "t://{id}")
    may = uri in ("t://1", "t://2") and admitter.admits(ALICE, Action.READ_RESOURCE, entry, uri)
    assert reply == (Result(b"{}") if may else Denied())


@pytest.mark.scenario("Z-2")
@pytest.mark.parametrize("name", ["x://r", "y://r", "z://r"])
async def test_whoever_may_not_read_it_may_still_unsubscribe_and_learns_nothing_by_it(name):
    inner, client = Inner(), SimpleNamespace(subscriptions={"a": {"x://r": resource_of("x://r", "a")}})
    asked = Operation("resources/unsubscribe", Kind.RESOURCE, name)
    reply = await call(admission_of(inner, permitting("nothing")), Caller(ALICE, client), asked, NoExchange())
    assert reply == Result(b"{}")
    assert [each.name for each in inner.reached] == (["x://r"] if name == "x://r" else [])


async def test_a_denied_call_never_reaches_the_inner_layer():
    inner = Inner()
    assert await ask(admission_of(inner, permitting("a_y")), "tools/call", "a_x") == Denied()
    assert inner.reached == []


async def test_an_unknown_name_is_decided_once_like_a_known_one():
    admitter = Groups()
    admission = admission_of(Inner(), admitter)
    for name in ("a_x", "nothing", "b_hidden"):
        admitter.asked = 0
        await ask(admission, "tools/call", name)
        assert admitter.asked == 1


@pytest.mark.parametrize(("names", "reply"), [(("b_*",), Result(b"{}")), (("a_*",), Denied())])
async def test_a_name_that_a_silent_backend_may_have_is_told_of_to_those_who_may_have_it(names, reply):
    admission = admission_of(Inner(), permitting(*names))
    unlisted = Unlisted(Kind.TOOL, "b_new", {"b": Outcome("timeout", "backend 'b' has not answered yet")})
    asked = operation("tools/call", "b_new")
    assert await admission.perform(caller(), asked, unlisted, NoExchange()) == reply


@pytest.mark.parametrize(
    ("kind", "name", "reply"),
    [
        (Kind.PROMPT, "a_p", Result(b"{}")),
        (Kind.PROMPT, "b_p", Denied()),
        (Kind.TEMPLATE, "t://{id}", Result(b"{}")),
        # What is not known to be a prompt must not be let in as one.
        (Kind.TEMPLATE, "a_p", Denied()),
        (None, "a_p", Denied()),
    ],
)
async def test_a_completion_goes_by_the_prompt_or_template_that_it_is_for(kind, name, reply):
    admission = admission_of(Inner(), permitting("a_p", "t://*"))
    assert await answer_of(admission, Operation("completion/complete", kind, name)) == reply


@pytest.mark.parametrize(("name", "reply"), [("", Result(b"{}")), ("a_x", Denied())])
async def test_a_method_that_nobody_can_judge_passes_only_where_it_names_nothing(name, reply):
    assert await ask(admission_of(Inner(), permitting("*")), "logging/setLevel", name) == reply


async def test_a_view_is_decided_once_per_catalog_policy_and_identity():
    inner, admitter = Inner(), Groups()
    admission = admission_of(inner, admitter)
    first = await admission.view(caller())
    asked = admitter.asked
    assert await admission.view(caller()) is first
    assert admitter.asked == asked

    inner.catalog = merged(listing("a", tools=["z"]))
    assert exposed((await admission.view(caller())).tools) == ["a_z"]
    asked = admitter.asked
    admitter.version = "2"
    await admission.view(caller())
    assert admitter.asked > asked


async def test_a_new_token_with_other_claims_does_not_get_the_old_view():
    admission = admission_of(Inner(), Groups())
    demoted = Identity(ALICE.issuer, ALICE.subject, claims={"groups": []})
    assert (await admission.view(caller(ALICE))).tools
    assert (await admission.view(caller(demoted))).tools == ()
    assert (await admission.view(caller(ALICE))).tools


class Scopes(Groups):
    def admits(self, identity: Identity, action: Action, capability: Capability | None, name: str) -> bool:
        return "tools" in identity.scopes


async def test_a_new_token_with_other_scopes_does_not_get_the_old_view():
    admission = admission_of(Inner(), Scopes())
    granted = Identity("i", "ada", scopes=frozenset({"tools"}), expires_at=1000.0)
    narrowed = Identity("i", "ada", expires_at=2000.0)
    assert (await admission.view(caller(granted))).tools
    assert (await admission.view(caller(narrowed))).tools == ()
    assert (await admission.view(caller(granted))).tools


async def test_views_of_equal_content_have_equal_versions_and_others_differ():
    admission = admission_of(
        Inner(),
        RuleBased(
            (
                Rule(Effect.PERMIT, subjects=("alice", "carol"), names=("a_*",)),
                Rule(Effect.PERMIT, subjects=("bob",), names=("b_*",)),
            )
        ),
    )
    carol = Identity(ALICE.issuer, "carol")
    versions = {
        name: (await admission.view(caller(who))).version
        for name, who in {"alice": ALICE, "carol": carol, "bob": BOB}.items()
    }
    assert versions["alice"] == versions["carol"]
    assert len({*versions.values(), CATALOG.version}) == 3


async def test_the_views_that_are_kept_are_bounded():
    admitter = Groups()
    admission = admission_of(Inner(), admitter, max_views=2)
    people = [Identity("i", str(number), claims={"groups": []}) for number in range(3)]
    for person in people:
        await admission.view(caller(person))
    asked = admitter.asked
    await admission.view(caller(people[2]))
    assert admitter.asked == asked
    await admission.view(caller(people[0]))
    assert admitter.asked > asked


@pytest.mark.parametrize(
    ("path", "errors", "reply"),
    [
        ("/open", (), Result(b"{}")),
        ("/etc", (), Denied()),
        # A policy that failed might have been the one that forbids.
        ("/open", ("by-owner",), Denied()),
    ],
)
async def test_a_decision_may_wait_and_sees_what_is_called_with_which_arguments(path, errors, reply):
    inner, admitter = Inner(), Paths()
    admitter.errors = errors
    params = msgspec.Raw(json.dumps({"name": "a_x", "arguments": {"path": path}}).encode())
    asked = Operation("tools/call", Kind.TOOL, "a_x", params)
    calling = asyncio.create_task(call(admission_of(inner, admitter), caller(), asked, NoExchange()))
    await admitter.begun.wait()
    assert inner.reached == []
    # What bears the name now is none of this call's: it has been found.
    inner.catalog = merged(listing("c", tools=["x"]))
    admitter.told.set()
    assert await calling == reply
    assert inner.reached == ([asked] if isinstance(reply, Result) else [])
    question = Question(
        ALICE, Action.CALL_TOOL, CATALOG.find(Kind.TOOL, "a_x"), "a_x", json.dumps({"path": path}).encode()
    )
    assert admitter.asked == [question]


async def test_a_list_is_one_question_however_long_it_is():
    asked = []

    class Counting(Groups):
        def shows(self, identity, capabilities):
            asked.append([capability.exposed for capability in capabilities])
            return super().shows(identity, capabilities)

    await admission_of(Inner(), Counting()).list(caller(), Kind.TOOL)
    assert asked == [[capability.exposed for kind in Kind for capability in CATALOG.of(kind)]]


@pytest.mark.parametrize(
    ("sent", "judged"), [({}, {"path": "/open", "deep": True}), ({"path": "/etc"}, {"path": "/etc", "deep": True})]
)
async def test_arguments_are_judged_as_the_backend_gets_them(sent, judged):
    arguments = {"path": {"default": "/open"}, "deep": {"fixed": True}}
    using = settings(tools=[{"workload": "a", "overrides": {"x": {"arguments": arguments}}}])
    inner, admitter = Inner(merged(listing("a", tools=["x"]), using=using)), Paths()
    admitter.told.set()
    params = msgspec.Raw(json.dumps({"name": "a_x", "arguments": {"deep": False} | sent}).encode())
    await answer_of(admission_of(inner, admitter), Operation("tools/call", Kind.TOOL, "a_x", params))
    assert [json.loads(each.arguments) for each in admitter.asked] == [judged]
    assert len(inner.reached) == (judged["path"] == "/open")


class TrueAdmin(Groups):
    def admits(self, identity: Identity, action: Action, capability: Capability | None, name: str) -> bool:
        return identity.claims.get("admin") is True


async def test_a_view_is_of_claims_by_type_for_python_takes_true_for_one():
    layer = admission_of(Inner(), TrueAdmin())
    for admin in (1, True, 1.0, True, 1):
        identity = Identity("https://issuer.example", "alice", claims={"admin": admin})
        assert bool((await layer.list(caller(identity), Kind.TOOL)).tools) is (admin is True)
