"""Strategic merge of a user's partial pod template over the operator's own."""

from typing import Any, Final, TypeAlias

from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_operator.plan.kinds import Manifest

MERGE_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "topologySpreadConstraints": ("topologyKey",),
    "hostAliases": ("ip",),
}
"""Lists of a pod whose entries have a name; every other list is replaced as a whole."""

_OURS: Final = "app.kubernetes.io/"
_NAME: Final = f"{_OURS}name"
_SHAPE: Final[Manifest] = {
    "metadata": {"labels": {_NAME: "vmcp"}, "annotations": {}},
    "spec": {**{name: [] for name in MERGE_KEYS}, "securityContext": {}, "nodeSelector": {}, "tolerations": []},
}
"""A template of which nothing is known but the types of its parts."""

_DEFAULTS: Final = {"protocol": "TCP"}
_DIRECTIVE: Final = "$patch"

_Value: TypeAlias = Any


class _Mismatch(Exception):  # noqa: N818 - carries a problem out of the recursion, never leaves this module
    """The patch has another shape than a pod template."""

    def __init__(self, loc: Loc, message: str, remedy: str) -> None:
        super().__init__(message)
        self.problem = Problem(message, remedy, loc)


def merge_template(base: Manifest, patch: Manifest | None, selector: dict[str, str]) -> Manifest | Problems:
    """The pod template with a patch over it; `selector` are the labels that the patch may not change.

    Null removes a field, `$patch: delete` an entry of a named list, `$patch: replace` takes the patch alone.
    """
    if not patch:
        return base
    loc: Loc = ("spec", "podTemplateSpec")
    for key in patch:
        if key not in ("metadata", "spec"):
            remedy = "a pod template has metadata and spec"
            return Problems.of(Problem(f"has an unknown field {key!r}", remedy, loc))
    try:
        merged: Manifest = _merge_mapping(base, patch, loc)
    except _Mismatch as mismatch:
        return Problems.of(mismatch.problem)
    found = (merged.get("metadata") or {}).get("labels") or {}
    changed = sorted(key for key, value in selector.items() if found.get(key) != value)
    if changed:
        message = f"changes the labels by which the pods are found ({', '.join(changed)})"
        return Problems.of(Problem(message, "remove them", (*loc, "metadata", "labels")))
    return merged


def check_partial(patch: object) -> str | None:
    """What keeps something from being the partial pod template of every proxy; None where nothing does."""
    if not isinstance(patch, dict):
        return "must be a mapping"
    merged = merge_template(_SHAPE, patch, _SHAPE["metadata"]["labels"])
    if isinstance(merged, Problems):
        return "; ".join(f"{each.message}; {each.remedy}" for each in merged)
    ours = sorted(key for key in merged["metadata"]["labels"] if key.startswith(_OURS) and key != _NAME)
    return f"sets labels that are the operator's own ({', '.join(ours)}); remove them" if ours else None


def _merge_mapping(base: _Value, patch: dict[str, Any], loc: Loc) -> dict[str, Any]:
    if not isinstance(base, dict) or patch.get(_DIRECTIVE) == "replace":
        base = {}
    merged = dict(base)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
            continue
        merged[key] = _merge_value(key, base.get(key), value, (*loc, key))
    return merged


def _merge_value(key: str, base: _Value, patch: _Value, loc: Loc) -> _Value:
    if base is not None and type(base) is not type(patch) and isinstance(base, dict | list):
        expected = "a mapping" if isinstance(base, dict) else "a list"
        raise _Mismatch(loc, f"must be {expected}", "write it as in a Deployment")
    if isinstance(patch, dict):
        return _merge_mapping(base, patch, loc)
    if isinstance(patch, list):
        return _merge_list(MERGE_KEYS.get(key), base or [], patch, loc)
    return patch


def _merge_list(names: tuple[str, ...] | None, base: list[Any], patch: list[Any], loc: Loc) -> list[Any]:
    if names is None:
        return patch
    order: dict[tuple[Any, ...], Any] = {_identity(names, entry): entry for entry in base}
    for index, entry in enumerate(patch):
        place = (*loc, index)
        if not isinstance(entry, dict) or entry.get(names[0]) is None:
            raise _Mismatch(place, f"needs {names[0]}", f"add {names[0]}, so that it can be merged")
        identity = _identity(names, entry)
        if entry.get(_DIRECTIVE) == "delete":
            order.pop(identity, None)
            continue
        order[identity] = _merge_mapping(order.get(identity, {}), entry, place)
    return list(order.values())


def _identity(names: tuple[str, ...], entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(str(entry.get(name, _DEFAULTS.get(name))) for name in names)
