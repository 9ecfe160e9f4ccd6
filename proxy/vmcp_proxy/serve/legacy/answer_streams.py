"""Streams of answers that clients may come back to: those in the making, and finished ones for a while."""

import asyncio
from collections import OrderedDict, deque
from typing import Final

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.clients.streaming.streams import Replay
from vmcp_proxy.protocol.event_ids import MAX_REQUEST_BYTES, EventId
from vmcp_proxy.protocol.versions import has_priming
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.legacy.answer_stream import AnswerStream
from vmcp_proxy.sessions import Session

KEPT_SECONDS: Final = 60.0
MOST_FINISHED: Final = 16
MOST_FINISHED_BYTES: Final = 1 << 20
"""Bounds of one session's finished streams; the newest one may be larger."""


class _Streams:
    """Those of one session by number; `finished` are the numbers and sizes of finished ones, oldest first.

    `asked_by` are those who have asked for what they answer, without their tokens.
    """

    __slots__ = ("asked_by", "by_number", "finished", "finished_bytes")

    def __init__(self) -> None:
        self.by_number: Final[dict[int, AnswerStream]] = {}
        self.asked_by: Final[dict[int, Identity]] = {}
        self.finished: Final[deque[tuple[int, int]]] = deque()
        self.finished_bytes = 0

    def find(self, number: int, identity: Identity) -> AnswerStream | None:
        """The stream of a number, for a token that says what that of the one who asked said."""
        asked_by = self.asked_by.get(number)
        return None if asked_by is None or asked_by.grant != identity.grant else self.by_number.get(number)

    def pop(self, number: int) -> AnswerStream | None:
        """Takes a stream out."""
        self.asked_by.pop(number, None)
        return self.by_number.pop(number, None)


class AnswerStreams:
    """Every stream by its session and number; all of a session's end with it.

    A finished one is kept for `kept_seconds`, for nobody can know whether the client has read it.
    """

    def __init__(self, replay: Replay, kept_seconds: float = KEPT_SECONDS) -> None:
        self._replay: Final = replay
        self._sessions: Final[dict[Session, _Streams]] = {}
        self._expiring: Final[OrderedDict[int, tuple[float, Session]]] = OrderedDict()
        self._has_finished: Final = asyncio.Event()
        self.kept_seconds = kept_seconds

    def __len__(self) -> int:
        return sum(len(streams.by_number) for streams in self._sessions.values())

    def open(self, context: RequestContext, session: Session, request: bytes) -> tuple[int, AnswerStream]:
        """The number and the stream of a POST that has something to say before its answer."""
        number, prefix, log = self._replay.answer(session, request)
        is_resumable = len(request) <= MAX_REQUEST_BYTES
        primes = has_priming(session.protocol_version)
        stream = AnswerStream(context, prefix if is_resumable else b"", log, primes=primes)
        if not is_resumable or session.ended is not None:
            stream.close()
            return number, stream
        streams = self._sessions.get(session)
        if streams is None:
            streams = self._sessions[session] = _Streams()
            session.on_end(lambda: self._end(session))
        streams.by_number[number] = stream
        if context.identity is not None:
            streams.asked_by[number] = context.identity.without_token
        return number, stream

    def find(self, session: Session, identity: Identity, seen: EventId) -> AnswerStream | None:
        """The stream that an event of this session came on, while it is kept, for tokens like the one that began it.

        Who comes back is not judged: policies may deny to another token of the same caller what is answered there.
        """
        streams = self._sessions.get(session) if self._replay.is_own(seen) else None
        return None if streams is None else streams.find(seen.stream, identity)

    def finished(self, session: Session, number: int) -> None:
        """Keeps a stream that is over for a while; older ones of the same session give way to it."""
        streams = self._sessions.get(session)
        stream = None if streams is None else streams.by_number.get(number)
        if streams is None or stream is None:
            return
        self._expiring[number] = (asyncio.get_running_loop().time() + self.kept_seconds, session)
        self._has_finished.set()
        streams.finished.append((number, stream.size))
        streams.finished_bytes += stream.size
        while len(streams.finished) > 1 and (
            len(streams.finished) > MOST_FINISHED or streams.finished_bytes > MOST_FINISHED_BYTES
        ):
            self._forget_oldest(streams)

    def drop(self, session: Session, number: int) -> None:
        """Forgets a stream that will not be finished."""
        streams = self._sessions.get(session)
        stream = None if streams is None else streams.pop(number)
        if stream is not None:
            stream.close()

    async def run(self) -> None:
        """Forgets finished streams when their time is up, forever."""
        loop = asyncio.get_running_loop()
        while True:
            await self._has_finished.wait()
            self._has_finished.clear()
            while self._expiring:
                # Nothing of a session may stay in this frame, which waits for the next one.
                await self._forget_first(loop)

    async def _forget_first(self, loop: asyncio.AbstractEventLoop) -> None:
        """Waits for the time of the stream that expires first, and forgets it if it is still there."""
        expires, session = next(iter(self._expiring.values()))
        await asyncio.sleep(max(0.0, expires - loop.time()))
        streams = self._sessions.get(session)
        if streams is not None and self._is_expired(streams, loop.time()):
            self._forget_oldest(streams)

    def _is_expired(self, streams: _Streams, now: float) -> bool:
        """Whether the oldest finished stream of a session, which expires first, is due."""
        return bool(streams.finished) and self._expiring[streams.finished[0][0]][0] <= now

    def _forget_oldest(self, streams: _Streams) -> None:
        number, size = streams.finished.popleft()
        streams.finished_bytes -= size
        del self._expiring[number]
        if (stream := streams.pop(number)) is not None:
            stream.close()

    def _end(self, session: Session) -> None:
        streams = self._sessions.pop(session, None)
        if streams is None:
            return
        for number, stream in streams.by_number.items():
            self._expiring.pop(number, None)
            stream.close()
