"""Listen streams on any way that clients, backends and the config can take, beside a model of what each must hear."""

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_subscriptions import UPDATED, owner
from tests.proxy.modern.test_listen_streams import ACKNOWLEDGED, TOOLS, URIS, NotThe, honored, subscription
from tests.support.examples import examples
from tests.support.modern_backend import ModernBackend
from tests.support.raw_client import Stream, eventually
from tests.support.scene import scene
from tests.support.scripted_backend import OFFERS, tool
from tests.support.standing import CANARY, log_watch
from vmcp_proxy.clients import notifier
from vmcp_proxy.clients.streaming import backend_streams
from vmcp_proxy.core.group import supervisor
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.modern.envelope_keys import SUBSCRIPTION_ID

pytestmark = [pytest.mark.scenario("X-1", "P-9"), pytest.mark.hypothesis]

OWNERS = {"test://a": "one", "test://b": "one", "test://c": "two"}
NOWHERE = "test://nowhere"
BACKENDS = ("one", "two")

filters = st.fixed_dictionaries(
    {}, optional={"toolsListChanged": st.booleans(), URIS: st.lists(st.sampled_from([*OWNERS, NOWHERE]), max_size=4)}
)
openings = st.tuples(st.just("open"), st.tuples(filters, st.sampled_from(["", "mine", "other"]), st.booleans()))
STEPS = st.lists(
    st.one_of(
        openings,
        openings,
        st.tuples(st.just("change"), st.sampled_from(BACKENDS)),
        st.tuples(st.just("update"), st.sampled_from(sorted(OWNERS))),
        st.tuples(st.just("noise"), st.sampled_from(BACKENDS)),
        st.tuples(st.just("die"), st.sampled_from(BACKENDS)),
        st.tuples(st.just("reload"), st.lists(st.sampled_from(BACKENDS), unique=True)),
        st.tuples(st.just("policy"), st.sampled_from(sorted(OWNERS))),
        st.tuples(st.just("close"), st.integers(0, 5)),
    ),
    max_size=14,
)


@pytest.fixture(autouse=True)
def _modern_and_without_pauses(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)
    monkeypatch.setattr(notifier, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(notifier, "_LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(backend_streams, "_PAUSES", (0.0,) * 5)
    monkeypatch.setattr(supervisor, "LISTEN_PAUSES", (0.0,) * 5)
    monkeypatch.setattr(supervisor, "CHANGE_PAUSE", 0.0)


@dataclass(eq=False)
class Model:
    """One stream that is open, and how often it must have heard of each thing by now.

    `is_late` where lists changed while nobody listened: that may still be found out and told, once.
    """

    stream: Stream
    key: str
    hears_lists: bool
    accepted: frozenset[str]
    client: contextlib.AsyncExitStack
    is_late: bool
    owed: Counter[str] = field(default_factory=Counter)

    @property
    def heard(self) -> Counter[str]:
        told = [each for each in self.stream.messages if each.get("method") in (TOOLS, UPDATED)]
        return Counter(each["params"].get("uri", TOOLS) for each in told)

    @property
    def is_fine(self) -> bool:
        more = self.heard - self.owed
        return self.heard >= self.owed and more <= Counter({TOOLS: int(self.is_late)})

    def owe(self, what: str) -> None:
        if what in self.accepted or (what == TOOLS and self.hears_lists):
            self.owed[what] += 1

    def needs(self, backend: str) -> bool:
        """Whether the backend has to be heard for this stream alone: it is subscribed to, or lists for its headers."""
        return any(OWNERS[uri] == backend for uri in self.accepted) or (self.hears_lists and bool(self.key))


class Walk:
    """A proxy before a backend of each era, and the model of its streams."""

    def __init__(self) -> None:
        self.one = owner("test://a", "test://b")
        self.two = ModernBackend(
            resources=[{"uri": "test://c", "name": "c"}],
            offers=OFFERS | {"resources": {"subscribe": True, "listChanged": True}},
        )
        self.all = {"one": self.one, "two": self.two}
        self.served = dict(self.all)
        self.denied = ""
        self.is_late = False
        self.streams: list[Model] = []
        self.numbers = 0
        self.clients = contextlib.AsyncExitStack()

    async def run(self, steps) -> None:
        for name in BACKENDS:
            await self.settled(name)
        for action, value in steps:
            await self.step(action, value)
        await self.policy(NOWHERE)
        for name in self.served:
            await self.settled(name)

    async def step(self, action: str, value: Any) -> None:
        await getattr(self, action)(value)
        for model in self.streams:
            await eventually(lambda model=model: model.heard >= model.owed)
        self.check()

    def check(self) -> None:
        """Nothing but what was asked for, each message with the id of its stream; nothing is held for others."""
        for model in self.streams:
            assert model.is_fine, (model.heard, model.owed)
            assert set(model.stream.methods) <= {ACKNOWLEDGED, TOOLS, UPDATED}
            assert {subscription(each) for each in model.stream.messages} == {subscription(model.stream.messages[0])}
            assert CANARY not in json.dumps(model.stream.messages)
        assert len(self.world.inside.listening) == len(self.streams)

    async def open(self, value: Any) -> None:
        wanted, key, comes_back = value
        if len(self.served) == 1 and URIS in wanted:
            # What nobody lists is taken for one of the only backend's, until there are two: another test's matter.
            wanted = {**wanted, URIS: [uri for uri in wanted[URIS] if OWNERS.get(uri) in self.served]}
        client = await self.clients.enter_async_context(contextlib.AsyncExitStack())
        raw = await client.enter_async_context(self.world.client(**({"x_key": f"{CANARY}-{key}"} if key else {})))
        # Somebody who had a stream before may say so: nothing is told a second time.
        back = {"last_event_id": "1"} if comes_back else {}
        posting = raw.posting("subscriptions/listen", {"notifications": wanted}, **back)
        stream = await client.enter_async_context(posting)
        await stream.until(ACKNOWLEDGED)
        served = {uri for uri, name in OWNERS.items() if name in self.served and uri != self.denied}
        accepted = [uri for uri in dict.fromkeys(wanted.get(URIS, ())) if uri in served]
        assert honored(stream).get(URIS, []) == accepted
        hears_lists = wanted.get("toolsListChanged", False)
        assert honored(stream).get("toolsListChanged", False) == hears_lists
        self.streams.append(Model(stream, key, hears_lists, frozenset(accepted), client, self.is_late))
        self.is_late = self.is_late and not hears_lists
        for name in self.served:
            await self.settled(name)

    async def settled(self, name: str) -> None:
        """Waits until the backend has somebody to tell for all who are to hear of it, and nobody else."""
        for uri in (uri for uri, its in OWNERS.items() if its == name):
            wanted = sum(uri in model.accepted for model in self.streams)
            await eventually(lambda uri=uri, wanted=wanted: len(self.subscribed(name, uri)) == wanted)
        # Beside the proxy's own. Who reads the lists for headers that are new here has a session from then on.
        least = 1 + sum(model.needs(name) for model in self.streams)
        most = 1 + sum(model.needs(name) or bool(model.key) for model in self.streams)
        await eventually(lambda: least <= len(self.listening(name)) <= most)

    def listening(self, name: str) -> list:
        return self.two.listening if name == "two" else [each for each in self.one.streams if each in self.one.sessions]

    def subscribed(self, name: str, uri: str) -> list:
        if name == "two":
            return [each for each in self.two.listening if uri in each[0].get(URIS, ())]
        asked = {each.session for each in self.one.calls("resources/subscribe") if each.message["params"]["uri"] == uri}
        return [each for each in self.listening(name) if each in asked]

    def owe(self, *what: str) -> None:
        for model in self.streams:
            for each in what:
                model.owe(each)

    async def tell(self, name: str, method: str, **params) -> None:
        if name == "two":
            for wanted, call in list(self.two.listening):
                # One that another has taken the place of may be gone.
                with contextlib.suppress(ConnectionError):
                    await call.notify(method, **params, _meta={SUBSCRIPTION_ID: wanted["id"]})
        elif "uri" not in params:
            self.one.push(method, **params)
        else:
            for session in self.subscribed(name, params["uri"]):
                self.one.push(method, session, **params)

    async def change(self, name: str) -> None:
        self.numbers += 1
        self.all[name].tools.append(tool(f"new-{self.numbers}"))
        if name in self.served:
            self.is_late = self.is_late or not any(model.hears_lists for model in self.streams)
            self.owe(TOOLS)
            await self.tell(name, TOOLS)

    async def update(self, uri: str) -> None:
        if OWNERS[uri] in self.served:
            self.owe(uri)
            await self.tell(OWNERS[uri], UPDATED, uri=uri)

    async def noise(self, name: str) -> None:
        """What nobody has asked for, and a list that is as it was."""
        await self.tell(name, TOOLS)
        for method in ("notifications/message", "notifications/x-own", "notifications/progress", ACKNOWLEDGED):
            await self.tell(name, method, level="error", data="x", progressToken=1)

    async def die(self, name: str) -> None:
        """What is said while nobody listens is lost, so that everything may be another."""
        if name in self.served:
            self.lost(name)
        if name == "one":
            self.one.forget_sessions()
            self.one.drop_streams()
        else:
            for _, call in list(self.two.listening):
                with contextlib.suppress(ConnectionError):
                    await call.write(b"0\r\n\r\n")
        if name in self.served:
            await self.settled(name)

    def lost(self, *names: str) -> None:
        self.owe(*(uri for uri, name in OWNERS.items() if name in names))

    async def reload(self, names) -> None:
        former, self.served = self.served, {name: self.all[name] for name in BACKENDS if name in names}
        if self.served.keys() != former.keys():
            self.owe(TOOLS)
        self.lost(*(self.served.keys() - former.keys()))
        self.world.apply(self.served)
        for name in self.served:
            await self.settled(name)

    async def policy(self, denied: str) -> None:
        """Clients are asked anew who they are: every stream ends with its result."""
        self.denied = denied
        self.world.apply(admitter=NotThe(denied))
        await self.all_end()

    async def all_end(self) -> None:
        for model in self.streams:
            answer = await model.stream.answer()
            assert answer["result"]["resultType"] == "complete"
            await eventually(lambda model=model: model.stream.ended)
            assert model.stream.messages[-1] == answer
        streams, self.streams = self.streams, []
        for model in streams:
            assert model.is_fine, (model.heard, model.owed)
            await model.client.aclose()
        await eventually(lambda: not self.world.inside.listening)

    async def close(self, value: int) -> None:
        if self.streams:
            model = self.streams.pop(value % len(self.streams))
            await model.client.aclose()
            await eventually(lambda: len(self.world.inside.listening) == len(self.streams))
            for name in self.served:
                await self.settled(name)


# A walk that fails waits for long: it is told as it was found.
@settings(
    max_examples=examples(60),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(steps=STEPS)
@example(steps=[("open", ({URIS: ["test://c"]}, "", False)), ("reload", ["one"]), ("reload", ["one", "two"])])
@example(steps=[("reload", ["one"]), ("open", ({URIS: ["test://a", "test://c", NOWHERE]}, "mine", True))])
@example(
    steps=[
        ("open", ({"toolsListChanged": True, URIS: ["test://a", "test://c", NOWHERE]}, "mine", False)),
        ("open", ({"toolsListChanged": True, URIS: ["test://a"]}, "", False)),
        ("die", "one"),
        ("die", "two"),
        ("change", "one"),
        ("change", "two"),
        ("update", "test://a"),
        ("update", "test://c"),
        ("noise", "one"),
        ("close", 0),
        ("policy", "test://b"),
        ("open", ({URIS: ["test://b", "test://a"]}, "other", True)),
    ]
)
async def test_streams_hear_what_they_asked_for_as_often_as_it_happens_and_leave_nothing(steps):
    walk = Walk()
    with log_watch() as log:
        async with scene(walk.all, config=QUIET, passthroughHeaders=["X-Key"]) as walk.world, walk.clients:
            await walk.run(steps)
    assert log.faults == []
    assert CANARY not in "".join(log.text)
