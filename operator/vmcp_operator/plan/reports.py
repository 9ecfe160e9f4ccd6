"""The proxies' own account of themselves, as their admin port tells it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_TEXT_LIMIT: Final = 1024
_LIST_LIMIT: Final = 256


@dataclass(frozen=True, slots=True)
class BackendReport:
    """One backend as one pod sees it."""

    name: str
    kind: str
    status: str
    transport: str | None = None
    revision: str | None = None
    circuit: str | None = None
    tools: int | None = None
    reason: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class ConflictReport:
    """A name that several backends claim."""

    kind: str
    name: str
    winner: str | None
    losers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of one pod; what it left out or wrote in another shape is absent."""

    config_hash: str = ""
    load_error: str | None = None
    has_keys: bool = True
    store_available: bool = True
    store_message: str = ""
    missing_secrets: tuple[str, ...] = ()
    backends: tuple[BackendReport, ...] = ()
    conflicts: tuple[ConflictReport, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def parse_report(body: bytes) -> Report | None:
    """The report of a pod, or None where the body is none; a pod is not trusted to keep to the form."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    store, error = _mapping(data.get("store")), _mapping(data.get("loadError"))
    return Report(
        config_hash=_text(data.get("configHash")),
        load_error=_text(error.get("message")) or None,
        has_keys=data.get("keys") != "missing",
        store_available=store.get("state", "ok") == "ok",
        store_message=_text(store.get("message")),
        missing_secrets=tuple(filter(None, map(_text, _sequence(data.get("missingSecrets"))))),
        backends=tuple(_backend(each) for each in _mappings(data.get("backends"))),
        conflicts=tuple(_conflict(each) for each in _mappings(data.get("conflicts"))),
        dropped=tuple(
            (_text(each.get("backend")), f"{_text(each.get('name'))}: {_text(each.get('reason'))}")
            for each in _mappings(data.get("droppedTools"))
        ),
        counts={key: value for key, value in _mapping(data.get("counts")).items() if type(value) is int and value >= 0},
    )


def _backend(data: Mapping[str, Any]) -> BackendReport:
    tools = data.get("tools")
    return BackendReport(
        name=_text(data.get("name")),
        kind=_text(data.get("kind")),
        status=_text(data.get("status")),
        transport=_text(data.get("transport")) or None,
        revision=_text(data.get("revision")) or None,
        circuit=_text(data.get("circuit")) or None,
        tools=tools if type(tools) is int and tools >= 0 else None,
        reason=_text(data.get("reason")) or None,
        message=_text(data.get("message")),
    )


def _conflict(data: Mapping[str, Any]) -> ConflictReport:
    losers = tuple(filter(None, map(_text, _sequence(data.get("losers")))))
    return ConflictReport(
        _text(data.get("kind")), _text(data.get("name")), _text(data.get("winner")) or None, losers[:_LIST_LIMIT]
    )


def _text(value: object) -> str:
    return value[:_TEXT_LIMIT] if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Iterable[object]:
    return value[:_LIST_LIMIT] if isinstance(value, list) else ()


def _mappings(value: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(each for each in _sequence(value) if isinstance(each, dict))
