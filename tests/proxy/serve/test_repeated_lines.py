"""An audit line that is like one before it says all the same what its own request was."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.serve.harness import MemorySink, answer_empty, call
from tests.proxy.serve.test_audit import event
from tests.support.callers import AskedEachTime, identity_of
from vmcp_proxy.auth.decision import Decision, DecisionRecord
from vmcp_proxy.backends.credentials import StaticCredentials
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.observability.audit import Outcome, Subject, encode_event
from vmcp_proxy.observability.audit.repeated import RepeatedEvent, UtcStamps
from vmcp_proxy.observability.masking import Masks
from vmcp_proxy.protocol.annotations import Annotations
from vmcp_proxy.serve.chain import repeated_lines
from vmcp_proxy.serve.chain.auditing import Content
from vmcp_proxy.serve.chain.decision_data import DecisionData
from vmcp_proxy.serve.chain.repeated_lines import RepeatedLines

pytestmark = pytest.mark.scenario("C-7", "O-1")

OWN = ("id", "time", "duration_ms", "request_id")
RECORD = DecisionRecord(Decision(admits=True, policies=("p",)), "call_tool", "search_all_tools", "all", "b")
ALICE = identity_of("alice", groups=["dev"])


class Told(AskedEachTime):
    """An `Authenticator` that takes everybody for the `identity` of the moment."""

    identity = ALICE

    async def authenticate(self, authorization, source):
        return self.identity


class Serving:
    """A dispatch of which a test says what it finds out."""

    def __init__(self):
        self.found = {"backend": "b", "session_ref": "0123abcd", "decision": RECORD}

    async def __call__(self, context):
        for name, value in self.found.items():
            setattr(context, name, value)
        await answer_empty(context)


class Lines(MemorySink):
    """Keeps lines as they are in the end, and which of them were made at once."""

    def __init__(self):
        super().__init__()
        self.at_once = []

    def write(self, line):
        self.at_once.append(isinstance(line, bytes))
        super().write(line if isinstance(line, bytes) else line.encode())


@pytest.fixture
def serving(world):
    world.sink, world.dispatch = Lines(), Serving()
    remember(world)
    return world.serving(authenticator=Told())


def remember(world, secrets=()):
    masks = Masks(secrets)
    world.audited(content=Content(secrets=masks), data=DecisionData(claims=("groups",)), repeated=RepeatedLines(masks))


def without_own(line):
    return {name: value for name, value in line.items() if name not in OWN}


async def test_a_call_that_comes_again_has_the_line_of_the_first_but_for_what_is_its_own(world, serving):
    async with serving:
        for _ in range(3):
            await world.post(call("search_all_tools"))
        await world.post(call("search_all_tools", arguments={"a": "longer"}))
    first, *others, longer = world.sink.events
    assert [without_own(each) for each in others] == [without_own(first)] * 2
    assert longer["request_bytes"] > first["request_bytes"]
    assert len({(each["id"], each["request_id"]) for each in world.sink.events}) == 4
    assert all(each["id"] == f"a-{each['request_id']}" for each in world.sink.events)
    assert world.sink.at_once == [True] * 4
    assert [list(json.loads(line)) for line in world.sink.lines] == [list(first)] * 4


OTHERS = {
    "backend": {"backend": "c"},
    "session": {"session_ref": "ffffffff"},
    "no decision": {"decision": None},
    "policies": {"decision": msgspec.structs.replace(RECORD, decision=Decision(admits=True, policies=("q",)))},
    "errors": {"decision": msgspec.structs.replace(RECORD, decision=Decision(admits=True, errors=("p",)))},
    "resource": {"decision": msgspec.structs.replace(RECORD, name="other")},
    "original": {"decision": msgspec.structs.replace(RECORD, original="other")},
    "owner": {"decision": msgspec.structs.replace(RECORD, backend="other")},
    "action": {"decision": msgspec.structs.replace(RECORD, action="get_prompt")},
    "annotations": {"decision": msgspec.structs.replace(RECORD, annotations=Annotations(destructive=True))},
    "called": {"called": "another_tool"},
    "outcome": {"outcome": Outcome.APPLICATION_ERROR},
    "rejected_by": {"rejected_by": "policy"},
    "subject": {"identity": identity_of("bob", groups=["dev"])},
    "issuer": {"identity": dataclasses.replace(ALICE, issuer="https://other.example")},
    "claims": {"identity": identity_of("alice", groups=["ops"])},
}


@pytest.mark.parametrize("other", OTHERS)
async def test_whatever_is_another_than_in_the_line_before_is_told(world, serving, other):
    changed = OTHERS[other]

    async def posted():
        await world.post(call("search_all_tools"))
        return without_own(world.sink.events[-1])

    async with serving:
        before = [await posted(), await posted()]
        Told.identity = changed.get("identity", ALICE)
        world.dispatch.found |= {name: value for name, value in changed.items() if name != "identity"}
        try:
            now = await posted()
            # As one who remembers nothing would have it.
            world.rebuild(auditor=dataclasses.replace(world.settings.auditor, repeated=None))
            afresh = await posted()
        finally:
            Told.identity = ALICE
    assert before[0] == before[1] != now
    assert now == afresh


@pytest.mark.parametrize("where", ["received", "scheme", "relayed", "credentials", "config"])
async def test_a_secret_that_stands_in_a_name_is_masked_however_often_the_name_was_written(world, serving, where):
    headers, found = {}, {}
    match where:
        case "received":
            headers = {"cookie": "earch_al"}
        case "scheme":
            headers = {"authorization": "x earch_al"}
        case "relayed":
            found = {"sent_headers": HeaderSnapshot([("X-Key", b"earch_al")])}
        case "credentials":
            found = {"credentials": (StaticCredentials((("Authorization", b"Bearer earch_al"),)),)}
    async with serving:
        for _ in range(2):
            await world.post(call("search_all_tools"))
        if where == "config":
            remember(world, ["earch_al"])
            world.rebuild()
        world.dispatch.found |= found
        for _ in range(2):
            await world.post(call("search_all_tools"), **headers)
    names = [each["target"]["name"] for each in world.sink.events]
    assert names == ["search_all_tools"] * 2 + ["s***l_tools"] * 2
    assert [each["decision"]["resource"] for each in world.sink.events] == names
    assert world.sink.at_once == [True, True, False, False]


async def test_a_tool_that_was_called_by_another_is_told_apart_from_one_that_its_client_calls(world, serving):
    async with serving:
        world.dispatch.found["called"] = "search_all_tools"
        await world.post(call("call_tool"))
        world.dispatch.found["called"] = ""
        await world.post(call("search_all_tools"))
    assert [each["target"].get("via") for each in world.sink.events] == ["call_tool", None]


async def test_a_call_that_is_handed_on_again_has_the_line_of_the_first_for_the_same_two_tools_alone(world, serving):
    async with serving:
        for tool, called in (("call_tool", "a"), ("call_tool", "a"), ("call_tool", "b"), ("other", "b"), ("b", "")):
            world.dispatch.found["called"] = called
            await world.post(call(tool))
    first, again, *others = world.sink.events
    assert without_own(first) == without_own(again)
    targets = [(each["target"]["name"], each["target"].get("via")) for each in (first, *others)]
    assert targets == [("a", "call_tool"), ("b", "call_tool"), ("b", "other"), ("b", None)]
    assert world.sink.at_once == [True] * 5


async def test_names_of_calls_that_fail_are_looked_into_in_the_thread_of_the_queue(world, serving):
    async with serving:
        for outcome in (Outcome.FAILURE, Outcome.SUCCESS, Outcome.FAILURE):
            world.dispatch.found["outcome"] = outcome
            await world.post(call("search_all_tools"))
    assert world.sink.at_once == [False, True, True]
    assert [each["outcome"] for each in world.sink.events] == ["failure", "success", "failure"]


async def test_lines_and_names_are_remembered_within_bounds_and_long_ones_not_at_all(world, serving, monkeypatch):
    for bound, value in (("_MOST_LINES", 3), ("_MOST_NAMES", 4), ("_LONGEST_LINE", 600)):
        monkeypatch.setattr(repeated_lines, bound, value)
    remembered = world.settings.auditor.repeated
    names = [f"tool_{number % 7}" for number in range(20)] + ["x" * 600] * 2
    async with serving:
        for name in names:
            await world.post(call(name))
            assert len(remembered._kept) <= 3
            assert len(remembered._names) <= 4
    assert [each["target"]["name"] for each in world.sink.events] == names
    assert not any("x" * 600 in key for key in remembered._kept)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SINCE = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 7 * 10**15).map(lambda each: SINCE + timedelta(microseconds=each))


@given(
    TEXTS,
    st.text("0123456789abcdef"),
    st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)),
    st.floats(0, 1e9).map(lambda each: round(each, 3)),
    TIMES,
    st.one_of(st.none(), st.builds(Subject, TEXTS, TEXTS)),
)
def test_a_repeated_line_is_the_one_that_its_event_has(name, session, sizes, duration, at, subject):
    own = {"time": at, "session": session, "request_bytes": sizes[0], "response_bytes": sizes[1]}
    other = msgspec.structs.replace(event(name), subject=subject, source=None, session="f00d")
    whole = msgspec.structs.replace(other, id="a-7f-1", request_id="7f-1", duration_ms=duration, **own)
    stamp = msgspec.json.encode(at).decode().strip('"')
    assert RepeatedEvent(other).line("7f-1", stamp, session, duration, *sizes) == encode_event(whole)


@pytest.mark.parametrize("more", [{"trace_id": "0" * 32}, {"count": 2}, {"data": msgspec.Raw(b"{}")}])
def test_what_has_more_of_its_own_is_no_line_for_others(more):
    with pytest.raises(ValueError, match="more of its own"):
        RepeatedEvent(msgspec.structs.replace(event("x"), **more))


@given(st.lists(TIMES, max_size=5))
def test_stamps_tell_the_time_of_their_clock(times):
    ticks = iter([(each - SINCE) // timedelta(microseconds=1) * 1000 for each in times])
    stamps = UtcStamps(lambda: next(ticks))
    assert [datetime.fromisoformat(stamps.now()) for _ in times] == times
