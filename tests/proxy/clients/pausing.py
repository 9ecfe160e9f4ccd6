"""Calls that pause, without HTTP: a core of one tool that asks, and a client that answers."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.credentials import NO_CREDENTIALS
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Terms
from vmcp_proxy.clients.rounds.leases import Leases
from vmcp_proxy.clients.rounds.pausable_calls import PausableCalls
from vmcp_proxy.core.calls.pausing.rounds import RequestStates
from vmcp_proxy.core.outcomes import Lost, Result
from vmcp_proxy.core.parking import Parking
from vmcp_proxy.core.virtual import Caller, Operation
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import Era

KEYS = Keyring.of({"1": bytes(range(32))})
ALICE, BOB = Identity("https://idp.example", "alice"), Identity("https://idp.example", "bob")
ASKABLE = b'{"elicitation":{},"sampling":{},"roots":{}}'
ELICIT = "elicitation/create"
POD = "A" * 22


class Client:
    """As much of a `ClientContext` as these calls touch."""

    def __init__(self, capabilities=ASKABLE, identity=ALICE):
        self.terms = Terms(Era.MODERN, capabilities)
        self.identity = identity
        self.view = None
        self.held = 0

    def hold(self):
        self.held += 1
        return self.release

    def release(self):
        self.held -= 1


@dataclass
class Exchange:
    """What a request of the client hears."""

    heard: list = field(default_factory=list)
    takes_messages: bool = True

    def routed(self, backend, credentials):
        self.heard.append(("routed", backend))

    def composed(self):
        self.heard.append(("composed",))

    def called(self, tool):
        self.heard.append(("called", tool))

    def presented(self, credentials):
        pass

    def decided(self, record):
        self.heard.append(("decided", record))

    def ran(self, event):
        self.heard.append(("ran", event))

    async def send(self, message, on_drop=None):
        self.heard.append(("sent", message))


class Member:
    name = "a"


class Core:
    """A `VirtualMCP` whose `act` is what a call does; backends' questions go to the client as a receiver's do."""

    def __init__(self, act):
        self._act = act
        self.began = self.ended = 0

    async def resolve(self, caller, operation):
        return None

    async def perform(self, caller, operation, resolved, exchange):
        self.began += 1
        try:
            return await self._act(Backend(caller.client, exchange), exchange)
        finally:
            self.ended += 1


class Backend:
    """A backend in the middle of a call."""

    _ids = itertools.count(1)

    def __init__(self, client, exchange):
        self.client = client
        self.deadline = Deadline.after(asyncio.get_running_loop().time(), 60, 3600)
        self.replies = {}
        self.came = asyncio.Condition()

    async def ask(self, params=b'{"message":"who?"}', method=ELICIT):
        """What is answered to its request, as JSON-RPC."""
        number = str(next(self._ids)).encode()
        raw = None if params is None else msgspec.Raw(params)

        async def reply(message):
            async with self.came:
                self.replies[number] = message
                self.came.notify_all()

        await self.client.ask(Member(), Request(number, method, raw), reply, self.client.say, self.deadline)
        async with self.came:
            await self.came.wait_for(lambda: number in self.replies)
        return msgspec.json.decode(self.replies[number])


class Nowhere:
    async def go_on(self, place, answers, exchange):
        return Lost()


def operation(name="a_tool", method="tools/call", **members):
    members = {"name": name, "arguments": {"x": 1}, **members}
    raw = msgspec.json.encode(members)
    return Operation(
        method, Kind.TOOL, name, msgspec.Raw(raw), {k: msgspec.Raw(msgspec.json.encode(v)) for k, v in members.items()}
    )


@dataclass
class Scene:
    core: Core
    parking: Parking
    calls: PausableCalls
    client: Client
    caller: Caller
    elsewhere: object

    async def call(self, exchange=None, caller=None, **members):
        """The result of a request, as JSON; any other outcome as it is."""
        reply = await self.calls.call(caller or self.caller, operation(**members), exchange or Exchange())
        return msgspec.json.decode(reply.raw) if isinstance(reply, Result) else reply

    async def answer(self, asked, answers=None, **more):
        """The same for the next request of a call that has asked; everything is answered where nothing else is said."""
        answers = {key: {"action": "accept"} for key in asked["inputRequests"]} if answers is None else answers
        return await self.call(inputResponses=answers, requestState=asked["requestState"], **more)


async def free_of_charge(_caller):
    return None


@contextlib.asynccontextmanager
async def scene(act, *, client=None, elsewhere=None, parking=None, pod=POD):
    client = client or Client()
    async with asyncio.TaskGroup() as tasks:
        core, parking = Core(act), Parking() if parking is None else parking
        leases = Leases(tasks, lambda client, member: None, lambda *_: None)
        calls = PausableCalls(
            core,
            RequestStates(lambda: KEYS),
            leases,
            parking,
            elsewhere or Nowhere(),
            lambda each: each.hold(),
            tasks,
            pod,
            lambda: 3600.0,
            lambda _caller, _backend: NO_CREDENTIALS,
            free_of_charge,
        )
        yield Scene(core, parking, calls, client, Caller(client.identity, client, EMPTY_SNAPSHOT), elsewhere)
        parking.end()


def accepted(**content):
    return {"action": "accept", "content": content}
