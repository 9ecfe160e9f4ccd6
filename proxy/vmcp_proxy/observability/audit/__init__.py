"""The audit log: what one event says, how it waits, and where it goes (ADR-0046)."""

from vmcp_proxy.observability.audit.event import (
    EVENT_TYPES,
    LOST,
    OTHER,
    REJECTED,
    AuditEvent,
    EventFilter,
    Outcome,
    PolicyDecision,
    Reason,
    Subject,
    Target,
    encode_event,
    encode_loss,
    event_type,
    outcome_of_status,
)

__all__ = [
    "EVENT_TYPES",
    "LOST",
    "OTHER",
    "REJECTED",
    "AuditEvent",
    "EventFilter",
    "Outcome",
    "PolicyDecision",
    "Reason",
    "Subject",
    "Target",
    "encode_event",
    "encode_loss",
    "event_type",
    "outcome_of_status",
]
