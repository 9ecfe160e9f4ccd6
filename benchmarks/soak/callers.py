"""The clients of a soak: some stay, some come and go, some hang up in the middle of a call, some listen."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.mcp_client import VERSION, Session, heads, request
from benchmarks.soak import judge
from benchmarks.soak.judge import Asked, Judgement, Verdict
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.plan import Outage
from benchmarks.soak.starvation import Starvation
from benchmarks.wire import Answer, Connection, connect

_HELLO = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "soak", "version": "1"}}
_TELL_SECONDS = 10.0
_REFUSED_SECONDS = 0.5


@dataclass(slots=True)
class Scene:
    """What all callers share: the proxy's port, the backends' names, the schedule, the clock, the pace.

    `pause` is the mean time between two calls of one caller, zero for none; `marker` begins every canary. `starvation`
    is that of the proxy and of this process.
    """

    port: int
    backends: Sequence[str]
    headerless: frozenset[str]
    ledger: Ledger
    chance: random.Random
    marker: str
    starvation: Starvation
    pause: float = 0.0
    began: float = 0.0
    outages: tuple[Outage, ...] = ()
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def now(self) -> float:
        """Seconds since the load began."""
        return asyncio.get_running_loop().time() - self.began

    def lacked(self, since: float) -> float:
        """For how many seconds since then there was no processor."""
        return self.starvation.since(self.began + since)

    def canary(self, kind: str) -> str:
        """A text that stands for one call (`a`), one session (`h`) or one decoy (`d`)."""
        return f"cnry{self.marker}{kind}{next(self.numbers)}q"


class Caller:
    """One client on one connection; `decoys` sends another value of the header with everything but `initialize`."""

    def __init__(self, scene: Scene, *, decoys: bool) -> None:
        self._scene = scene
        self._decoys = decoys
        self._connection: Connection | None = None
        self._stream: Connection | None = None
        self._header = ""
        self._session: Session | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has a session."""
        return self._session is not None

    async def open(self) -> bool:
        """The handshake; False where the proxy refuses for a reason that is documented."""
        scene = self._scene
        self._header = scene.canary("h")
        head = heads(scene.port, "/mcp", self._fields(self._header)).post
        sent = scene.now()
        answer = await self._exchange(head, request("initialize", _HELLO, 1), judge.OPEN_SECONDS)
        judgement = judge.judge_open(answer, sent, scene.now(), scene.outages)
        scene.ledger.note("initialize", judgement, scene.now())
        if judgement.verdict is not Verdict.RIGHT or answer is None:
            await asyncio.sleep(_REFUSED_SECONDS)
            return False
        shown = scene.canary("d") if self._decoys else self._header
        session_id = answer.headers[b"mcp-session-id"]
        self._session = heads(scene.port, "/mcp", self._fields(shown), session_id)
        told = await self._exchange(self._session.post, request("notifications/initialized", None), _TELL_SECONDS)
        scene.ledger.note("notification", judge.judge_status("a notification", told, 202), scene.now())
        return True

    async def call(self, wait: float = 0.0) -> None:
        """Calls a backend by chance and judges the answer."""
        scene = self._scene
        if self._session is None:
            return
        backend = scene.chance.choice(scene.backends)
        argument, number, body = self._say(backend, wait)
        header = "" if backend in scene.headerless else self._header
        sent = scene.now()
        answer = await self._exchange(self._session.post, body, judge.ANSWER_SECONDS + wait)
        asked = Asked(backend, argument, header, number, sent, scene.now())
        judgement = judge.judge_call(asked, answer, scene.outages, lambda: scene.lacked(sent - judge.CALL_TIMEOUT))
        scene.ledger.note("tools/call", judgement, scene.now())

    async def list_tools(self) -> None:
        """Lists, which must always work: what is broken costs its own tools only."""
        if self._session is not None:
            scene = self._scene
            answer = await self._exchange(self._session.post, request("tools/list", {}, 7), judge.ANSWER_SECONDS)
            judgement = judge.judge_status("tools/list", answer, 200)
            if answer is not None and b'"tools"' not in answer.body:
                judgement = Judgement(Verdict.WRONG, "tools/list was answered without tools")
            scene.ledger.note("tools/list", judgement, scene.now())

    async def vanish(self) -> None:
        """Sends a slow call and hangs up in the middle of it; the session stays."""
        scene = self._scene
        if self._session is None:
            return
        connection = await self._connected()
        _, _, body = self._say(scene.chance.choice(scene.backends), 1.0)
        pending = connection.send(self._session.post, body)
        await asyncio.sleep(scene.chance.uniform(0.0, 0.5))
        pending.cancel()
        connection.close()
        self._connection = None
        scene.ledger.vanished += 1

    async def listen(self) -> None:
        """Opens the GET stream of the session on a connection of its own."""
        scene = self._scene
        if self._session is None:
            return
        self._stream = await connect(scene.port)
        answer: Answer | None = None
        try:
            async with asyncio.timeout(_TELL_SECONDS):
                answer = await self._stream.stream(self._session.get)
        except (TimeoutError, ConnectionError):
            pass
        scene.ledger.note("GET", judge.judge_status("GET", answer, 200), scene.now())

    async def close(self) -> None:
        """Ends the session as a polite client does."""
        scene = self._scene
        if self._session is not None:
            answer = await self._exchange(self._session.delete, b"", judge.OPEN_SECONDS)
            scene.ledger.note("DELETE", judge.judge_status("DELETE", answer, 204), scene.now())
        self.hang_up()

    def hang_up(self) -> None:
        """Leaves without a word."""
        for connection in (self._connection, self._stream):
            if connection is not None:
                connection.close()
        self._connection = self._stream = self._session = None

    def _say(self, backend: str, wait: float) -> tuple[str, int, bytes]:
        argument, number = self._scene.canary("a"), next(self._scene.numbers)
        arguments: dict[str, object] = {"text": argument, **({"wait": wait} if wait else {})}
        params = {"name": f"{backend}_say", "arguments": arguments}
        return argument, number, request("tools/call", params, number)

    def _fields(self, canary: str) -> bytes:
        kinds = b"content-type: application/json\r\naccept: application/json, text/event-stream\r\n"
        return kinds + b"mcp-protocol-version: 2025-11-25\r\nx-canary: %b\r\n" % canary.encode()

    async def _connected(self) -> Connection:
        if self._connection is None or not self._connection.is_open:
            self._connection = await connect(self._scene.port)
        return self._connection

    async def _exchange(self, head: bytes, body: bytes, seconds: float) -> Answer | None:
        """One exchange; None where no complete answer came."""
        try:
            connection = await self._connected()
            async with asyncio.timeout(seconds):
                return await connection.send(head, body)
        except (TimeoutError, ConnectionError):
            # What comes late must not be taken for the answer to the next request.
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return None
