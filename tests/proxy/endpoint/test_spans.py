"""One span for each request to a backend: begun before it is sent, ended once."""

import pytest

from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Die, ScriptedBackend, Status, text
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.observability.metrics import Metrics

KEY = "key-of-the-client"


class Tracer:
    """Remembers the spans, around the counters that are there anyway."""

    def __init__(self):
        self.spans = []

    @property
    def ends(self):
        return [(span.method, span.ends) for span in self.spans]


class Span:
    def __init__(self, inner, operation):
        self.inner = inner
        self.method = operation.method
        self.ends = []

    def end(self, category, seconds):
        self.ends.append(category)
        self.inner.end(category, seconds)


@pytest.fixture
def tracer(monkeypatch):
    tracer, begin = Tracer(), Metrics.begin

    def traced(metrics, member, operation):
        span = Span(begin(metrics, member, operation), operation)
        tracer.spans.append(span)
        return span

    monkeypatch.setattr(Metrics, "begin", traced)
    return tracer


async def test_a_call_that_is_sent_again_in_a_new_session_is_one_span(tracer):
    backend = ScriptedBackend()
    async with scene({"one": backend}) as world, world.session() as client:
        await client.call("one_echo")
        backend.forget_sessions()
        await client.call("one_echo")
        assert len(backend.calls("tools/call")) == 3
        assert tracer.ends == [("tools/call", [None])] * 2


class Renewed:
    """Credentials whose first token the backend does not take."""

    is_callers = False

    def __init__(self):
        self.tokens = [b"first", b"second"]
        self.made = {}

    def current(self):
        return self.made.setdefault(self.tokens[0], ((b"X-Token", self.tokens[0]),))

    async def fetch(self, deadline):
        return self.current()

    def refused(self, used):
        return self.tokens.pop(0) == b"first"


async def test_a_call_that_is_sent_again_with_other_credentials_is_one_span_and_no_fault_of_the_backend(
    tracer, monkeypatch
):
    backend, credentials = ScriptedBackend(), Renewed()
    monkeypatch.setattr(Member, "credentials_for", lambda member, identity, snapshot: credentials)

    @backend.on("tools/call")
    async def check(call):
        if call.heard.headers["x-token"] != "second":
            raise Status(401)
        return text("done")

    async with scene({"one": backend}) as world, world.session() as client:
        assert (await client.call("one_echo"))["content"][0]["text"] == "done"
        calls = backend.calls("tools/call")
        assert [call.headers["x-token"] for call in calls] == ["first", "second"]
        assert tracer.ends == [("tools/call", [None])]
        (state,) = (await world.status())["backends"]
        assert state["status"] == "healthy"
        assert not [name for name in await world.metrics() if name.startswith("vmcp_backend_errors_total")]


async def refuse(call):
    raise Status(403)


async def break_off(call):
    raise Die


@pytest.mark.parametrize(("handler", "category"), [(refuse, "auth"), (break_off, "failed")])
async def test_a_call_without_an_answer_ends_its_span_with_the_category(tracer, handler, category):
    backend = ScriptedBackend(handlers={"tools/call": handler})
    async with scene({"one": backend}) as world, world.session() as client:
        await client.request("tools/call", {"name": "one_echo"})
        assert tracer.ends == [("tools/call", [category])]


async def test_a_call_that_takes_too_long_ends_its_span_as_a_timeout(tracer):
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def hang(call):
        await eventually(lambda: tracer.ends == [("tools/call", ["timeout"])])
        return text("late")

    async with scene({"one": backend}, config=operational(timeouts={"default": "1s"})) as world:
        async with world.session() as client:
            while not await client.names():
                pass
            await client.request("tools/call", {"name": "one_echo"})
        assert tracer.ends == [("tools/call", ["timeout"])]


async def test_a_call_that_the_client_takes_back_ends_its_span_as_cancelled(tracer):
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def hang(call):
        await eventually(lambda: tracer.ends == [("tools/call", ["cancelled"])])
        return text("late")

    async with scene({"one": backend}) as world, world.session() as client:
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "one_echo"}}
        async with client.sending(message):
            await eventually(lambda: backend.calls("tools/call"))
            await client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
            await eventually(lambda: tracer.ends == [("tools/call", ["cancelled"])])


async def test_a_call_that_is_not_sent_has_no_span(tracer):
    backend = ScriptedBackend()
    secret = {"addPlaintextHeaders": {"X-Api-Key": "of the config"}}
    more = {"one": {"headerForward": secret}}
    async with scene({"one": backend}, more=more, passthroughHeaders=["X-Api-Key"]) as world:
        async with world.session(x_api_key=KEY) as client:
            answer = await client.request("tools/call", {"name": "one_echo"})
        assert "X-Api-Key" in str(answer)
        assert tracer.spans == []
