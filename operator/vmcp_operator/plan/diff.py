"""Whether a live object already holds everything that a manifest says (ADR-0005)."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from vmcp_operator.plan.kinds import Manifest
from vmcp_operator.plan.objects.naming import APPLIED
from vmcp_operator.plan.objects.template import MERGE_KEYS

_SUFFIXES: Final = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITIES: Final = frozenset({"limits", "requests", "sizeLimit"})
_SERVICE_PORTS: Final = ("port", "protocol")
_OWNERS: Final = ("uid",)
_ABSENT_IS_TRUE: Final = frozenset({"automountServiceAccountToken", "allowPrivilegeEscalation"})
_LABEL_MAPS: Final = frozenset({"limits", "requests"})


def needs_apply(manifest: Manifest, live: Manifest | None) -> bool:
    """Whether a sealed manifest has to be applied: it changed, or somebody changed what it says."""
    if live is None:
        return True
    annotations = live["metadata"].get("annotations") or {}
    if annotations.get(APPLIED) != manifest["metadata"]["annotations"][APPLIED]:
        return True
    return not holds(live, manifest)


def holds(live: Any, desired: Any, field: str = "", *, is_quantity: bool = False) -> bool:
    """Whether every leaf of `desired` stands in `live`; lists by merge key, else entry by entry."""
    if isinstance(desired, dict):
        # The API server leaves empty mappings out.
        found = live if isinstance(live, dict) else {} if live is None else None
        is_amount = is_quantity or field in _LABEL_MAPS
        return found is not None and all(
            holds(found.get(key), value, key, is_quantity=is_amount or key in _QUANTITIES)
            for key, value in desired.items()
        )
    if isinstance(desired, list):
        return _holds_list(live or [], desired, field) if isinstance(live, list) or not live else False
    if is_quantity:
        return live == desired or (_amount(live) is not None and _amount(live) == _amount(desired))
    return bool(live == desired) or (live is None and _is_left_out(desired, field))


def _is_left_out(desired: Any, field: str) -> bool:
    """Whether the API server leaves this value out because absence means the same."""
    return desired in ("", 0, False) and field not in _ABSENT_IS_TRUE


def _holds_list(live: list[Any], desired: list[Any], field: str) -> bool:
    names = _merge_names(field, desired)
    if names is None or not all(isinstance(entry, Mapping) for entry in desired):
        return len(live) == len(desired) and all(holds(a, b) for a, b in zip(live, desired, strict=True))
    index = {_identity(names, entry): entry for entry in live if isinstance(entry, Mapping)}
    return all(holds(index.get(_identity(names, entry)), entry) for entry in desired)


def _merge_names(field: str, desired: list[Any]) -> tuple[str, ...] | None:
    if field == "ports" and desired and isinstance(desired[0], dict):
        if "containerPort" in desired[0]:
            return MERGE_KEYS["ports"]
        # Those of a NetworkPolicy have no target and are one value.
        return _SERVICE_PORTS if "targetPort" in desired[0] else None
    if field == "ownerReferences":
        return _OWNERS
    return MERGE_KEYS.get(field)


def _identity(names: tuple[str, ...], entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry.get(name, "TCP" if name == "protocol" else None)) for name in names)


def _amount(value: object) -> Decimal | None:
    """A quantity as a number, so that `1000m` and `1` are one."""
    text = str(value)
    digits = text.rstrip("".join(set("".join(_SUFFIXES))))
    factor = _SUFFIXES.get(text[len(digits) :])
    try:
        return None if factor is None else Decimal(digits) * factor
    except InvalidOperation:
        return None
