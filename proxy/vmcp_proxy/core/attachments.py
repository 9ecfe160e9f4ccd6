"""What this process holds for a client session besides its record: links, view, calls in flight, stream."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmcp_proxy.backends.link import Link
from vmcp_proxy.core.capabilities import Kind
from vmcp_proxy.core.catalog import Catalog
from vmcp_proxy.core.members import Member
from vmcp_proxy.core.outbox import Outbox
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, Collision, HeaderSnapshot, OutgoingHeaders

if TYPE_CHECKING:
    from vmcp_proxy.core.virtual import Caller
    from vmcp_proxy.sessions import Session


@dataclass(slots=True, eq=False)
class Attachment:
    """The running side of one client session; dies with it.

    `view` is the catalog as of `epoch`, for the snapshot `view_snapshot`, until `view_expires` (loop time). `told`
    are the versions by kind that the client has seen, so that only real changes are announced. `caller` asked last.
    """

    session: "Session"
    links: dict[str, Link] = field(default_factory=dict)
    headers: dict[str, tuple[Member, HeaderSnapshot, OutgoingHeaders | Collision]] = field(default_factory=dict)
    view: Catalog | None = None
    view_snapshot: HeaderSnapshot = EMPTY_SNAPSHOT
    epoch: int = -1
    view_expires: float = 0.0
    told: dict[Kind, str] = field(default_factory=dict)
    log_level: str | None = None
    caller: "Caller | None" = None
    in_flight: dict[bytes, "asyncio.Task[None]"] = field(default_factory=dict)
    cancelled: "set[asyncio.Task[None]]" = field(default_factory=set)
    outbox: Outbox | None = None
    listening: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Attachment {self.session!r} links={sorted(self.links)} in_flight={len(self.in_flight)}>"

    @property
    def snapshot(self) -> HeaderSnapshot:
        """The client's headers for what no request of its own stands behind: those of its latest request."""
        return self.session.snapshot if self.caller is None else self.caller.snapshot

    def headers_for(self, member: Member, snapshot: HeaderSnapshot) -> OutgoingHeaders | Collision:
        """What goes to one backend; the same object as long as its sources are the same."""
        known = self.headers.get(member.name)
        if known is not None and known[0] is member and known[1] is snapshot:
            return known[2]
        merged = member.headers_for(snapshot)
        self.headers[member.name] = (member, snapshot, merged)
        return merged

    def cancel(self, request_id: bytes) -> bool:
        """Cancels a call in flight on the client's word; True where there was one."""
        task = self.in_flight.get(request_id)
        if task is None:
            return False
        self.cancelled.add(task)
        task.cancel()
        return True


class Attachments:
    """Every attachment of this process, by its session."""

    def __init__(self) -> None:
        self._by_session: dict[Session, Attachment] = {}

    def __len__(self) -> int:
        return len(self._by_session)

    def of(self, session: "Session") -> Attachment:
        """The attachment of a session, made at its first use; that of one that has ended is kept by nobody."""
        attachment = self._by_session.get(session)
        if attachment is None:
            attachment = Attachment(session)
            if session.ended is None:
                self._by_session[session] = attachment
        return attachment

    def find(self, session: "Session") -> Attachment | None:
        """The attachment of a session, where it has one still."""
        return self._by_session.get(session)

    def remove(self, session: "Session") -> Attachment | None:
        """Takes out the attachment of a session that has ended."""
        return self._by_session.pop(session, None)

    def all(self) -> tuple[Attachment, ...]:
        """All of them, now."""
        return tuple(self._by_session.values())
