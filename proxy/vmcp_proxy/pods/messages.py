"""Messages between pods: sealed, in order per session, acknowledged (ADR-0023)."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.pods.envelope import MOST_BODY_BYTES, PodMessage, open_message, seal_message
from vmcp_proxy.pods.inbox import Lanes
from vmcp_proxy.pods.name import EVERYONE, is_pod_name, new_pod_name
from vmcp_proxy.pods.replay_guard import Replays, Verdict
from vmcp_proxy.sessions.keyed.ids import SessionIds
from vmcp_proxy.sessions.live.single_flight import Flights
from vmcp_proxy.sessions.store.protocol import SessionStore, StoreUnavailable

Handler = Callable[[str, bytes], Awaitable[None]]
"""Gets the digest (hex) of the session that a message is about, and the body."""

Knows = Callable[[str], bool]
"""Whether a session, by its digest (hex), is one that the handler can do something for."""

logger: Final = logging.getLogger("vmcp.sessions")

_ANSWER: Final = ""
_ANSWER_SECONDS: Final = 2.0
_HANDLER_SECONDS: Final = 10.0
_ANSWERERS: Final = 4
_MOST_ANSWERS: Final = 4096


class PodMessages:
    """This pod among those that serve the same sessions; `pod` is its name.

    `ids` are those of the session manager, whose `rotate` changes their keys. `dropped` counts messages that
    were not taken, by reason: `unreadable`, `stale`, `replayed`, `crowded`. `run` must be running.
    """

    def __init__(self, store: SessionStore, ids: SessionIds, clock: Callable[[], float] = time.time) -> None:
        self.pod: Final = new_pod_name()
        self.dropped: Final[Counter[str]] = Counter()
        self._store: Final = store
        self._ids: Final = ids
        self._clock: Final = clock
        self._handlers: Final[dict[str, tuple[Handler, Knows]]] = {}
        self._lanes: Final = Lanes(self._handle)
        self._replays: Final = Replays()
        self._sending: Final = Flights()
        self._awaited: Final[dict[bytes, asyncio.Future[bool]]] = {}
        self._answers: Final[asyncio.Queue[tuple[str, bytes]]] = asyncio.Queue(_MOST_ANSWERS)

    def on(self, kind: str, handler: Handler, knows: Knows) -> None:
        """Have a handler take the messages of a kind; it has 10 s for each, and those of one session in turn.

        Messages about a session that it does not know are refused, so that their senders do not rely on it.

        Raises:
            ValueError: the kind is empty or has a handler.
        """
        if kind == _ANSWER or kind in self._handlers:
            raise ValueError(f"the kind {kind!r} is taken")
        self._handlers[kind] = handler, knows

    async def send(self, pod: str, kind: str, digest: str, body: bytes) -> bool:
        """Tell a pod something about a session; whether that pod has accepted it, which is not yet handled it.

        `False` says that nobody is known to have accepted it: the pod is gone, does not know the session, has no
        handler for the kind or no room, the store is away, or the body has more than 1 MiB. Bounded by 2 s beyond
        what the store takes.
        """
        if len(body) > MOST_BODY_BYTES or not is_pod_name(pod):
            return False
        if pod == self.pod:
            return self._accept(self._message(kind, digest, body))
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        name = b""
        try:
            # Messages about one session must not overtake each other on their way to Redis.
            async with self._sending.enter(f"{pod}/{digest}"):
                keyring = self._ids.keyring
                message = self._message(kind, digest, body)
                name, sealed = seal_message(keyring, keyring.signing_kid, pod, message)
                self._awaited[name] = answer
                if not await self._store.publish(pod, sealed):
                    return False
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await answer
        except (StoreUnavailable, TimeoutError):
            return False
        finally:
            self._awaited.pop(name, None)

    async def tell_all(self, kind: str, digest: str, body: bytes) -> None:
        """Tell every other pod something about a session that whoever knows of it may act on; nobody answers."""
        if not self._store.is_shared or len(body) > MOST_BODY_BYTES:
            return
        keyring = self._ids.keyring
        _, sealed = seal_message(keyring, keyring.signing_kid, EVERYONE, self._message(kind, digest, body))
        with contextlib.suppress(StoreUnavailable):
            await self._store.publish(EVERYONE, sealed)

    async def run(self) -> None:
        """Receive and handle messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store.listen((self.pod, EVERYONE), self._hear))
            group.create_task(self._lanes.run())
            for _ in range(_ANSWERERS):
                group.create_task(self._send_answers())

    def _message(self, kind: str, digest: str, body: bytes) -> PodMessage:
        return PodMessage(self._clock(), self.pod, kind, digest, body)

    def _hear(self, name: str, raw: bytes) -> None:
        opened = open_message(self._ids.keyring, name, raw)
        if opened is None:
            self.dropped["unreadable"] += 1
            return
        message = opened.message
        if name == EVERYONE and message.sender == self.pod:
            return
        if message.kind == _ANSWER:
            # One that comes again or too late finds nobody waiting.
            self._settle(message.body)
            return
        verdict = self._replays.admit(opened.name, message.at, self._clock())
        if verdict is not Verdict.FRESH:
            self.dropped[verdict] += 1
            return
        accepted = self._accept(message)
        if name != EVERYONE:
            self._answer(message.sender, opened.kid, opened.name, accepted=accepted)

    def _accept(self, message: PodMessage) -> bool:
        handler = self._handlers.get(message.kind)
        return handler is not None and handler[1](message.digest) and self._lanes.put(message)

    def _settle(self, body: bytes) -> None:
        answer = self._awaited.get(body[1:])
        if answer is not None and not answer.done():
            answer.set_result(body[:1] == b"\x01")

    def _answer(self, sender: str, kid: str, name: bytes, *, accepted: bool) -> None:
        message = self._message(_ANSWER, "", bytes((accepted,)) + name)
        # Under the key that the sender used: it may not have a newer one yet.
        _, sealed = seal_message(self._ids.keyring, kid, sender, message)
        try:
            self._answers.put_nowait((sender, sealed))
        except asyncio.QueueFull:
            self.dropped["crowded"] += 1

    async def _send_answers(self) -> None:
        while True:
            sender, sealed = await self._answers.get()
            try:
                await self._store.publish(sender, sealed)
            except StoreUnavailable:
                # The sender will have stopped waiting before the store is back.
                continue

    async def _handle(self, message: PodMessage) -> None:
        try:
            async with asyncio.timeout(_HANDLER_SECONDS):
                await self._handlers[message.kind][0](message.digest, message.body)
        except Exception as error:  # noqa: BLE001 - one message must not cost the others anything
            session, cause = message.digest[:8], describe_exception(error)
            log_event(
                logger, logging.WARNING, "message of a pod failed", kind=message.kind, session=session, error=cause
            )
