"""The proxies' own account of themselves, as their admin port tells it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_TEXT_LIMIT: Final = 1024
_LIST_LIMIT: Final = 256
_MOST: Final = (1 << 31) - 1
_STATUS_LIMITS: Final = {"kind": 32, "circuit": 16, "reason": 63, "revision": 32, "setting": 32, "transport": 32}
_NAME_LIMIT: Final = 63
"""Characters that the schema of a status takes: a status with a longer one would be refused as a whole."""


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
class UnmatchedReport:
    """An entry of the aggregation settings that fits nothing."""

    backend: str
    setting: str
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of one pod; what it left out or wrote in another shape is absent."""

    config_hash: str = ""
    load_error: str | None = None
    has_keys: bool = True
    store_available: bool = True
    store_known: bool = True
    store_message: str = ""
    missing_secrets: tuple[str, ...] = ()
    backends: tuple[BackendReport, ...] = ()
    conflicts: tuple[ConflictReport, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    unmatched: tuple[UnmatchedReport, ...] = ()
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
        store_available=store.get("state", "ok") in ("ok", "unknown"),
        store_known=store.get("state") != "unknown",
        store_message=_text(store.get("message")),
        missing_secrets=tuple(filter(None, map(_text, _sequence(data.get("missingSecrets"))))),
        backends=tuple(_backend(each) for each in _mappings(data.get("backends"))),
        conflicts=tuple(_conflict(each) for each in _mappings(data.get("conflicts"))),
        dropped=tuple(
            (_text(each.get("backend")), f"{_text(each.get('name'))}: {_text(each.get('reason'))}")
            for each in _mappings(data.get("droppedTools"))
        ),
        unmatched=tuple(_unmatched(each) for each in _mappings(data.get("unmatched"))),
        counts={
            key: number for key, value in _mapping(data.get("counts")).items() if (number := _count(value)) is not None
        },
    )


def _backend(data: Mapping[str, Any]) -> BackendReport:
    return BackendReport(
        name=_text(data.get("name")),
        kind=_text(data.get("kind")),
        status=_text(data.get("status")),
        transport=_short(data, "transport"),
        revision=_short(data, "revision"),
        circuit=_short(data, "circuit"),
        tools=_count(data.get("tools")),
        reason=_short(data, "reason"),
        message=_text(data.get("message")),
    )


def _conflict(data: Mapping[str, Any]) -> ConflictReport:
    claimants = (_text(each)[:_NAME_LIMIT] for each in _sequence(data.get("losers")))
    return ConflictReport(
        kind=_short(data, "kind") or "",
        name=_text(data.get("name")),
        winner=_text(data.get("winner"))[:_NAME_LIMIT] or None,
        losers=tuple(filter(None, claimants)),
    )


def _unmatched(data: Mapping[str, Any]) -> UnmatchedReport:
    return UnmatchedReport(
        backend=_text(data.get("backend"))[:_NAME_LIMIT],
        setting=_short(data, "setting") or "",
        name=_text(data.get("name")),
    )


def _short(data: Mapping[str, Any], key: str) -> str | None:
    """A text that a status holds as it is."""
    return _text(data.get(key))[: _STATUS_LIMITS[key]] or None


def _count(value: object) -> int | None:
    return min(value, _MOST) if type(value) is int and value >= 0 else None


def _text(value: object) -> str:
    # Half a surrogate pair can be no UTF-8; the API server would put another character there.
    return value[:_TEXT_LIMIT].encode(errors="replace").decode() if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Iterable[object]:
    return value[:_LIST_LIMIT] if isinstance(value, list) else ()


def _mappings(value: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(each for each in _sequence(value) if isinstance(each, dict))
