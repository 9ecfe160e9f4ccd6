"""What of the settings of an audit log does nothing, though it is well-formed."""

from collections.abc import Iterator
from typing import Final

from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.manifests.problems import Loc, Problem, Problems, shorten
from vmcp_api.spec.audit import EVENT_TYPES, Audit, AuditSink
from vmcp_api.text.suggest import suggest

_AUDIT: Final[Loc] = ("spec", "config", "audit")


def doubt_audit(vmcp: VirtualMCPServer) -> Problems:
    """Warnings about event types that no event has, and settings of a sink that is not the chosen one.

    They are no errors: an endpoint that served with them goes on, and another version may know more types.
    """
    audit = vmcp.spec.config.audit
    found = Problems((*_unknown_types(audit), *_unused_sinks(audit)))
    return found.as_warnings().about(f"VirtualMCPServer/{vmcp.metadata.name}")


def _unknown_types(audit: Audit) -> Iterator[Problem]:
    for field, names, effect in (
        ("eventTypes", audit.event_types, _effect_of(audit)),
        ("excludeEventTypes", audit.exclude_event_types, "it leaves nothing out"),
    ):
        for index, name in enumerate(names):
            if name not in EVENT_TYPES:
                remedy = suggest(name.replace("/", "_"), EVENT_TYPES, noun="event types")
                said = f"no event is of the type {shorten(name)!r}, so that {effect}"
                yield Problem(said, remedy, (*_AUDIT, field, index))


def _effect_of(audit: Audit) -> str:
    """What comes of an unknown type among those to write."""
    return "it adds nothing" if EVENT_TYPES.intersection(audit.event_types) else "no event is written at all"


def _unused_sinks(audit: Audit) -> Iterator[Problem]:
    for field, value, sink in (
        ("path", audit.path, AuditSink.FILE),
        ("file", audit.file, AuditSink.FILE),
        ("otlp", audit.otlp, AuditSink.OTLP),
        ("syslog", audit.syslog, AuditSink.SYSLOG),
    ):
        if value is not None and audit.sink is not sink:
            said = f"stands beside sink {audit.sink}, which does not use it"
            yield Problem(said, f"write sink: {sink}, or remove it", (*_AUDIT, field))
