"""The stream side of a session: what waits for the client outside of answers, and what is heard for it meanwhile."""

import asyncio
from typing import TYPE_CHECKING, Final

from vmcp_proxy.clients.streaming.outbox import Outbox
from vmcp_proxy.clients.streaming.streams import Replay
from vmcp_proxy.protocol.kinds import Kind

if TYPE_CHECKING:
    from vmcp_proxy.sessions import Session


class ClientStream:
    """The session's own stream as this process knows it; dies with the session.

    `told` are the versions by kind that the client has seen, so that only real changes are announced. `listening`
    are the tasks that hear what backends say outside of calls, by backend; `lingering` runs while they go on although
    the client's connection broke. `read_by` stands for what the token said of whoever opened the stream last.
    """

    __slots__ = ("_outbox", "_replay", "_session", "lingering", "listening", "read_by", "told")

    def __init__(self, session: "Session", replay: Replay) -> None:
        self._session: Final = session
        self._replay: Final = replay
        self._outbox: Outbox | None = None
        self.told: dict[Kind, str] = {}
        self.read_by = b""
        self.listening: Final[dict[str, asyncio.Task[None]]] = {}
        self.lingering: asyncio.TimerHandle | None = None

    @property
    def is_listening(self) -> bool:
        """Whether the client holds the session's own stream with this process."""
        return self._outbox is not None and self._outbox.is_listening

    @property
    def is_receiving(self) -> bool:
        """Whether backends are heard outside of calls: the client listens, or did a moment ago."""
        return self.lingering is not None or self.is_listening

    @property
    def outbox(self) -> Outbox:
        """What waits for the session's own stream and what it may have to say again, until the session ends."""
        if self._outbox is None:
            self._outbox = self._replay.outbox(self._session)
            self._session.on_end(self._outbox.close)
        return self._outbox
