"""What one audit line says."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from vmcp_api.spec.audit import Audit
from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.protocol.methods import METHODS


class Outcome(StrEnum):
    """How a request ended.

    `DENIED`: the caller may not; `FAILURE`: the caller asked wrongly; `ERROR`: proxy or backend could not;
    `APPLICATION_ERROR`: the tool itself says so (`isError`), the transport being fine.
    """

    SUCCESS = "success"
    DENIED = "denied"
    FAILURE = "failure"
    ERROR = "error"
    APPLICATION_ERROR = "application_error"


def outcome_of_status(status: int) -> Outcome:
    """The outcome that an HTTP status tells by itself; 0 (nothing was answered) is an error."""
    if 200 <= status < 400:  # noqa: PLR2004 - the 2xx and 3xx classes of RFC 9110
        return Outcome.SUCCESS
    if status in (401, 403):
        return Outcome.DENIED
    return Outcome.FAILURE if 400 <= status < 500 else Outcome.ERROR  # noqa: PLR2004 - the 4xx class


class Reason(StrEnum):
    """What came between a request and its outcome, where something did.

    `CANCELLED`: the client gave it up, or ended its session; `TIMEOUT` and `SHUTDOWN`: the proxy cut it;
    `DISCONNECTED`: the client had gone before the answer, which says nothing of the outcome. What was cancelled or cut
    may have been carried out. `INPUT_REQUIRED`: the request ended with what its client is asked; the event of the one
    that goes on with the call tells how that ended.
    """

    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"
    DISCONNECTED = "disconnected"
    INPUT_REQUIRED = "input_required"


LOST: Final = "audit_lost"
"""Type of the line that stands where events are missing; no filter takes it out."""

REJECTED: Final = "http_rejected"
"""Type of what never became an MCP message."""

OTHER: Final = "mcp_other"
"""Type of methods that are not in `EVENT_TYPES`."""

EVENT_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{method.name: method.audit_type for method in METHODS.values()},
        "GET": "mcp_stream",
        "DELETE": "mcp_session_end",
        "response": "mcp_response",
        "batch": "mcp_batch",
    }
)
"""Audit type by JSON-RPC method; bodiless requests stand under their HTTP method, replies as `response`, arrays
as `batch`."""


class WorkflowType(StrEnum):
    """Types of what becomes of composite tools and their steps; the first is written only where a filter names it."""

    STARTED = "workflow_started"
    COMPLETED = "workflow_completed"
    FAILED = "workflow_failed"
    TIMED_OUT = "workflow_timed_out"
    STEP_COMPLETED = "workflow_step_completed"
    STEP_FAILED = "workflow_step_failed"
    STEP_SKIPPED = "workflow_step_skipped"


def event_type(method: str) -> str:
    """The audit type of a JSON-RPC method (or `GET`, `DELETE`, `response`); no method means a refusal."""
    if not method:
        return REJECTED
    if method.startswith("notifications/"):
        return "mcp_notification"
    return EVENT_TYPES.get(method, OTHER)


class Subject(msgspec.Struct, frozen=True, gc=False):
    """Who asked: personal data by purpose, here and nowhere else in the logs."""

    issuer: str
    subject: str


class Target(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was asked for: a method, and the exposed name or URI where there is one.

    `via` is the tool that the client has named, where that one has handed the call on.
    """

    method: str
    name: str = ""
    via: str = ""


class PolicyDecision(msgspec.Struct, frozen=True, gc=False):
    """What policies said of a request: by which of them, by their ids, and which of them failed.

    Under the mode `Shadow` nothing follows from it. The rest is what they were asked about, so that other policies can
    be asked the same (ADR-0042): `resource` is what policies know it by, `original` what its backend calls it, absent
    for resources, which are known by nothing else; `backend` is absent where nothing bears the name. `claims` are those
    of the caller that the settings name, null where its token has none of the name. `arguments` are there only where
    the settings want request data; `masked` names those that are left out, as secret or
    as sent twice.
    """

    outcome: Literal["allow", "deny"]
    policies: tuple[str, ...]
    errors: tuple[str, ...]
    mode: PolicyMode
    action: str
    resource: str
    original: str | msgspec.UnsetType = msgspec.UNSET
    backend: str | msgspec.UnsetType = msgspec.UNSET
    annotations: dict[str, bool] | msgspec.UnsetType = msgspec.UNSET
    claims: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    arguments: dict[str, msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    masked: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class WorkflowPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The run of a composite tool that a line is about, and the step of it where it is about one.

    All lines of a run have the `request_id` of the call. `error` is a word for what went wrong, and nothing of what
    anybody has said. With `authorizes_steps` false no policy was asked about steps.
    """

    name: str
    run: str
    step: str = ""
    attempts: int = 0
    error: str = ""
    authorizes_steps: bool = True


class AuditEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One line of the audit log; times in UTC, durations in milliseconds, sizes in bytes.

    It never holds a header value, a session id (only the first 8 hex digits of its digest) or, but for `data` and the
    arguments of a `decision` where the settings want them, any content of requests and answers. `decision` is absent
    where no policy was asked, `reason` where there is none, `workflow` but for runs of composite tools, `trace_id`
    where no trace is recorded (ADR-0047). A line with `count` is the first of as many refusals that are alike, from
    `since` to `time`.
    """

    log: Literal["audit"] = "audit"
    id: str
    time: datetime
    type: str
    outcome: Outcome
    reason: Reason | msgspec.UnsetType = msgspec.UNSET
    component: str
    source: str | None
    subject: Subject | None
    target: Target
    backend: str
    session: str
    decision: PolicyDecision | msgspec.UnsetType = msgspec.UNSET
    status: int
    rejected_by: str
    duration_ms: float
    request_bytes: int
    response_bytes: int
    request_id: str
    trace_id: str | msgspec.UnsetType = msgspec.UNSET
    count: int | msgspec.UnsetType = msgspec.UNSET
    since: datetime | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    workflow: WorkflowPart | msgspec.UnsetType = msgspec.UNSET


class _Loss(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The line where events are missing: `lost` of them, from `since` on, counted to the line."""

    log: Literal["audit"] = "audit"
    id: str
    time: datetime
    type: str = LOST
    outcome: Outcome = Outcome.ERROR
    component: str
    lost: int
    since: datetime


def encode_loss(component: str, count: int, since: datetime) -> bytes:
    """The line that says that events of an endpoint were lost."""
    line = _Loss(id=f"a-{uuid.uuid4().hex}", time=datetime.now(UTC), component=component, lost=count, since=since)
    return msgspec.json.encode(line) + b"\n"


_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""What JSON may hold as it is, and terminals, editors or shippers of lines act on."""


def encode_event(event: AuditEvent) -> bytes:
    """The event as one line of JSON with its line end; no value can begin a line or turn what stands beside it."""
    line = msgspec.json.encode(event)
    if not line.isascii() or b"\x7f" in line:
        line = _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode("utf-8")).encode()
    return line + b"\n"


def without_content(line: bytes) -> bytes | None:
    """A line without content of the request and its answer, for sinks that take no long ones; None if it has none."""
    event = msgspec.json.decode(line)
    had = event.pop("data", None) is not None
    decision = event.get("decision")
    had |= isinstance(decision, dict) and decision.pop("arguments", None) is not None
    return msgspec.json.encode(event | {"contentDropped": True}) + b"\n" if had else None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which event types are written; an empty `included` means all, `excluded` wins."""

    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, audit: Audit) -> "EventFilter":
        """The filter that the configuration asks for."""
        return cls(frozenset(audit.event_types), frozenset(audit.exclude_event_types))

    def wants(self, kind: str) -> bool:
        """Whether events of a type are written."""
        if kind == WorkflowType.STARTED and kind not in self.included:
            return False
        return kind not in self.excluded and (not self.included or kind in self.included)
