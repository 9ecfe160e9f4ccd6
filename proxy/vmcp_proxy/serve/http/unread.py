"""What waits until clients read it, over all connections of a listener: who has room, who waits, who gives way."""

import asyncio
from collections import deque
from typing import Final, Protocol

from vmcp_proxy.backends.budget import ReadBudget

MOST_UNREAD_BYTES: Final = 96 << 20
"""Bytes of long answers that are written, or about to be, and not read yet; the last that finds room may go beyond."""

MOST_IN_MEMORY_BYTES: Final = 192 << 20
"""The same with what waits for room, or for its turn: beyond, what waits longest gives way with its connection."""

SHORT_BYTES: Final = 64 << 10
"""Up to here an unread answer is bounded by the number of connections alone, and a body needs no session."""

PROGRESS_SECONDS: Final = 30.0
"""The time in which a client has to read a part of what it holds, once somebody waits for room."""

PROGRESS_PARTS: Final = 8
"""A client makes progress that reads one of so many parts of the most that it has held in `PROGRESS_SECONDS`."""


class Client(Protocol):
    """One connection, as its listener's unread answers know it."""

    admitted: int
    """Bytes that have room and are not in the transport yet."""

    unwritten: int
    """Bytes that are in memory and wait for room, or for their turn behind others of this connection."""

    @property
    def unsent(self) -> int:
        """Bytes in the transport that the system has not taken."""

    def abort(self) -> None:
        """Closes it at once."""


class Progress:
    """How fast a client reads what is `held` for it; times in seconds of the loop."""

    __slots__ = ("_left", "_most", "_since", "_taken", "held")

    def __init__(self, left: int, held: int, now: float) -> None:
        self._left = left
        self._most = self.held = held
        self._taken = 0
        self._since = now

    def grow(self, size: int) -> None:
        """More is to be read."""
        self._left += size

    def note(self, left: int, held: int, now: float) -> None:
        """Takes over what is to be read yet, and all that is `held` for the client."""
        self._taken += max(self._left - left, 0)
        self._left, self.held = left, held
        self._most = max(self._most, held)
        if self._taken * PROGRESS_PARTS >= self._most:
            self.begin(now)

    def begin(self, now: float) -> None:
        """Gives it the whole time again."""
        self._taken, self._since = 0, now

    def is_stalled(self, now: float) -> bool:
        """Whether it has read too little for too long."""
        return now - self._since > PROGRESS_SECONDS


class _Turn:
    """An answer that waits for room; `granted` is done once it has some, or its client has gone."""

    __slots__ = ("client", "granted", "size")

    def __init__(self, client: Client, size: int) -> None:
        self.client: Final = client
        self.size: Final = size
        self.granted: Final = asyncio.get_running_loop().create_future()


class UnreadAnswers:
    """Answers over `SHORT_BYTES` of all connections.

    They have room one after the other, in the order in which they came, and backends are not read for more of them
    meanwhile. While somebody waits, clients that make no progress are cut off, the one that holds something longest
    first, until there is room; one that makes progress never is.

    While nobody waits and half of the room is free, a running total decides: what clients have read since it was noted
    of them is in it. Beyond that all of them are asked each time.
    """

    def __init__(self, reads: ReadBudget) -> None:
        self._reads: Final = reads
        self._clients: Final[dict[Client, Progress]] = {}
        self._turns: Final[dict[_Turn, None]] = {}
        self._held = 0

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def waiting(self) -> int:
        """How many answers wait for room."""
        return len(self._turns)

    def try_enter(self, client: Client, size: int) -> bool:
        """As `enter` without a wait; False, and nothing done, where it has to be asked whether there is room."""
        if self._turns or self._held + size > MOST_UNREAD_BYTES // 2:
            return False
        client.admitted += size
        if client in self._clients:
            # So that what it has read since it was noted is not taken for what comes now.
            self._clients[client].grow(size)
        self.note(client)
        return True

    async def enter(self, client: Client, size: int) -> None:
        """Waits until an answer has room, or its client has gone; it counts as `admitted`, which the caller takes back.

        The caller bounds the wait.
        """
        turn = _Turn(client, size)
        self._turns[turn] = None
        client.unwritten += size
        self.note(client)
        try:
            await turn.granted
        except asyncio.CancelledError:
            if turn in self._turns:
                del self._turns[turn]
                client.unwritten -= size
            else:
                client.admitted -= size
            self.note(client)
            raise

    def note(self, client: Client) -> None:
        """Hears that what a client holds has changed."""
        self._note(client, asyncio.get_running_loop().time())
        if self._turns or self._held > MOST_UNREAD_BYTES // 2:
            self._settle()
        else:
            self._reads.limit(MOST_UNREAD_BYTES - self._held)

    def leave(self, client: Client) -> None:
        """Forgets a connection that is gone: nothing of it waits any more."""
        if self._forget(client):
            self._settle()

    def look(self, now: float, *, is_due: bool) -> None:
        """Finds out what has been read, and cuts off who reads nothing where somebody waits for it.

        Where nobody waits it does so only when it `is_due`.
        """
        if not self._clients or not (is_due or self._is_awaited):
            return
        waits = {turn.client for turn in self._turns}
        for client in tuple(self._clients):
            self._note(client, now)
            if client in waits and client in self._clients and not client.unsent:
                # It has nothing to read, through no fault of its own.
                self._clients[client].begin(now)
        self._settle()
        for client, progress in tuple(self._clients.items()):
            if not self._is_awaited:
                return
            if progress.is_stalled(now):
                self._cut(client)

    @property
    def _is_awaited(self) -> bool:
        return bool(self._turns) or self._reads.is_held_back

    def _note(self, client: Client, now: float) -> None:
        left = client.unsent + client.admitted
        held = left + client.unwritten
        progress = self._clients.get(client)
        if held <= SHORT_BYTES:
            self._drop(client)
        elif progress is None:
            self._clients[client] = Progress(left, held, now)
            self._held += held
        else:
            self._held += held - progress.held
            progress.note(left, held, now)

    def _drop(self, client: Client) -> bool:
        """Whether it held something."""
        progress = self._clients.pop(client, None)
        if progress is None:
            return False
        self._held -= progress.held
        return True

    def _settle(self) -> None:
        """Gives room to those that wait, as far as there is any, and says how much is left to what comes."""
        unread = self._give_room(sum(each.unsent + each.admitted for each in self._clients))
        behind = deque(each for each in self._clients if each.unwritten)
        unwritten = sum(each.unwritten for each in behind)
        while unread + unwritten > MOST_IN_MEMORY_BYTES and (len(behind) > 1 or unwritten > MOST_UNREAD_BYTES):
            client = behind.popleft()
            unread -= client.unsent + client.admitted
            unwritten -= client.unwritten
            self._forget(client)
            client.abort()
        # Where some were cut off; what gets room now counts as before in the sum.
        self._give_room(unread)
        self._reads.limit(MOST_UNREAD_BYTES - unread - unwritten)

    def _give_room(self, unread: int) -> int:
        """Lets in who waits, in order, while there is room; the bytes that have some then."""
        for turn in tuple(self._turns):
            if unread > MOST_UNREAD_BYTES:
                break
            self._grant(turn)
            unread += turn.size
        return unread

    def _forget(self, client: Client) -> bool:
        """Whether anything was known of a connection; what waits on it goes on, for there is nobody to read it."""
        turns = [each for each in self._turns if each.client is client]
        for turn in turns:
            self._grant(turn)
        return self._drop(client) or bool(turns)

    def _grant(self, turn: _Turn) -> None:
        del self._turns[turn]
        turn.client.unwritten -= turn.size
        turn.client.admitted += turn.size
        if turn.client in self._clients:
            self._clients[turn.client].grow(turn.size)
        if not turn.granted.done():
            turn.granted.set_result(None)

    def _cut(self, client: Client) -> None:
        self.leave(client)
        client.abort()
