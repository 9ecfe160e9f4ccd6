"""An API server in memory: server-side apply with field managers, versions, generations, owner references."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vmcp_operator.errors import ClusterError, Conflict, Rejected
from vmcp_operator.plan.kinds import DEPLOYMENT, Kind, Manifest, Ref, ref_of
from vmcp_operator.plan.objects.template import MERGE_KEYS

OPERATOR = "vmcp-operator"
SOMEBODY = "kubectl"
_KEYS = {**MERGE_KEYS, "ownerReferences": ("uid",), "conditions": ("type",)}


@dataclass
class MemoryCluster:
    """Implements `Cluster`; `writes` counts what changed or was tried, `fail` may raise before a call.

    `selects` is False for an API server that cannot select by fields of ours, as before Kubernetes 1.31. `hidden` are
    kinds that it does not serve.
    """

    objects: dict[Ref, Manifest] = field(default_factory=dict)
    applied: dict[tuple[Ref, str, bool], Manifest] = field(default_factory=dict)
    writes: list[tuple[str, Ref]] = field(default_factory=list)
    fail: Callable[[str, Ref], None] = lambda _verb, _ref: None
    version: int = 0
    selects: bool = True
    hidden: set[Kind] = field(default_factory=set)

    async def get(self, ref: Ref) -> Manifest | None:
        self.fail("get", ref)
        return copy.deepcopy(self.objects.get(ref))

    async def list(self, kind: Kind, namespace: str, selector: str = "", *, fields: str = "") -> tuple[Manifest, ...]:
        self.fail("list", Ref(kind, namespace, ""))
        if fields and not self.selects:
            raise Rejected(f"{kind} list", 400, f"field label not supported: {fields.partition('=')[0]}")
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        return tuple(
            copy.deepcopy(each)
            for ref, each in sorted(self.objects.items(), key=lambda item: str(item[0]))
            if ref.kind == kind
            and namespace in ("", ref.namespace)
            and wanted.items() <= (each["metadata"].get("labels") or {}).items()
            and (not fields or fields == f"spec.groupRef.name={_group_of(each)}")
        )

    async def peek(self, kind: Kind, namespace: str) -> None:
        self.fail("list", Ref(kind, namespace, ""))

    async def missing(self, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        return tuple(kind for kind in kinds if kind in self.hidden)

    async def create(self, manifest: Manifest) -> bool:
        ref = ref_of(manifest)
        self.fail("create", ref)
        if ref in self.objects:
            return False
        self.writes.append(("create", ref))
        self.put(manifest)
        return True

    async def replace(self, manifest: Manifest) -> Manifest:
        ref = ref_of(manifest)
        self.fail("replace", ref)
        live = self.objects.get(ref)
        if live is None:
            raise ClusterError(str(ref), 404, "not found")
        if live["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise Conflict(str(ref), 409, "the object has been modified")
        self.writes.append(("replace", ref))
        return copy.deepcopy(self.put(manifest))

    async def apply(self, manifest: Manifest) -> Manifest:
        ref = ref_of(manifest)
        self.fail("apply", ref)
        self.writes.append(("apply", ref))
        return self._apply(ref, manifest, OPERATOR, is_status=False)

    async def apply_status(self, manifest: Manifest) -> Manifest | None:
        ref = ref_of(manifest)
        self.fail("status", ref)
        if ref not in self.objects:
            return None
        self.writes.append(("status", ref))
        return self._apply(ref, manifest, OPERATOR, is_status=True)

    async def annotate(self, ref: Ref, annotations: dict[str, str]) -> bool:
        self.fail("annotate", ref)
        self.writes.append(("annotate", ref))
        if ref not in self.objects:
            return False
        self.objects[ref]["metadata"].setdefault("annotations", {}).update(annotations)
        self._bump(self.objects[ref])
        return True

    async def delete(self, ref: Ref, uid: str) -> None:
        self.fail("delete", ref)
        self.writes.append(("delete", ref))
        if ref in self.objects and self.objects[ref]["metadata"]["uid"] == uid:
            self.remove(ref)

    def put(self, manifest: Manifest) -> Manifest:
        """Stores an object as a user would, with identity and versions of its own."""
        new = copy.deepcopy(manifest)
        metadata = new["metadata"]
        metadata.setdefault("namespace", "default")
        ref = ref_of(new)
        before = self.objects.get(ref)
        metadata["uid"] = before["metadata"]["uid"] if before else metadata.get("uid", f"uid-{self.version + 1}")
        metadata["generation"] = _generation(before, new)
        if before and "status" in before and "status" not in new:
            new["status"] = before["status"]
        _default(ref, new)
        self.objects[ref] = new
        self._bump(new)
        return new

    def edit(self, ref: Ref, change: Callable[[Manifest], None]) -> None:
        """Changes an object behind the operator's back."""
        new = copy.deepcopy(self.objects[ref])
        change(new)
        if ref.kind is DEPLOYMENT and new["spec"]["replicas"] != self.objects[ref]["spec"]["replicas"]:
            self._take_replicas(ref, new["spec"]["replicas"])
            self._note_managers(ref, new)
        self.put(new)

    def _take_replicas(self, ref: Ref, replicas: int) -> None:
        """Who changes the number by an update takes the field from all others."""
        for (each, _, _), applied in self.applied.items():
            if each == ref:
                applied.get("spec", {}).pop("replicas", None)
        self.applied[ref, SOMEBODY, False] = {"spec": {"replicas": replicas}}

    def remove(self, ref: Ref) -> None:
        """Deletes an object and what it owns."""
        uid = self.objects.pop(ref)["metadata"]["uid"]
        self.applied = {key: value for key, value in self.applied.items() if key[0] != ref}
        for child, live in list(self.objects.items()):
            owners = live["metadata"].get("ownerReferences") or ()
            if child in self.objects and any(owner["uid"] == uid for owner in owners):
                self.remove(child)

    def _apply(self, ref: Ref, manifest: Manifest, manager: str, *, is_status: bool) -> Manifest:
        live = copy.deepcopy(self.objects.get(ref))
        key = (ref, manager, is_status)
        if "replicas" in manifest.get("spec", {}):
            self.applied.pop((ref, SOMEBODY, False), None)
        others = [value for other, value in self.applied.items() if other[0] == ref and other != key]
        before = self.applied.get(key)
        kept = copy.deepcopy(live) if live else {"metadata": {}}
        if before is not None:
            kept = _without(kept, before, manifest, others)
        merged = _merge(kept, manifest)
        self.applied[key] = copy.deepcopy(manifest)
        if live:
            merged["metadata"] = {**live["metadata"], **merged["metadata"]}
        _default(ref, merged)
        self._note_managers(ref, merged)
        if live is not None and {**merged, "metadata": _stable(merged)} == {**live, "metadata": _stable(live)}:
            self.objects[ref]["metadata"] = merged["metadata"]
            return copy.deepcopy(self.objects[ref])
        metadata = merged["metadata"]
        metadata.setdefault("uid", f"uid-{self.version + 1}")
        metadata["generation"] = _generation(live, merged)
        self.objects[ref] = merged
        self._bump(merged)
        return copy.deepcopy(merged)

    def _note_managers(self, ref: Ref, merged: Manifest) -> None:
        merged["metadata"]["managedFields"] = [
            {
                "manager": manager,
                "operation": "Update" if manager == SOMEBODY else "Apply",
                "fieldsV1": {"f:spec": {f"f:{name}": {} for name in value.get("spec") or {}}},
            }
            for (each, manager, is_status), value in self.applied.items()
            if each == ref and not is_status
        ]

    def _bump(self, manifest: Manifest) -> None:
        self.version += 1
        manifest["metadata"]["resourceVersion"] = str(self.version)


def _stable(manifest: Manifest) -> dict[str, Any]:
    return {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}


def _generation(before: Manifest | None, after: Manifest) -> int:
    if before is None:
        return 1
    number = before["metadata"].get("generation", 1)
    return number if before.get("spec") == after.get("spec") else number + 1


def _default(ref: Ref, manifest: Manifest) -> None:
    if ref.kind is DEPLOYMENT:
        manifest["spec"].setdefault("replicas", 1)


def _identity(names: tuple[str, ...], entry: Any) -> tuple[str, ...]:
    return tuple(str(entry.get(name)) for name in names)


def _merge(live: Any, desired: Any, name: str = "") -> Any:
    if isinstance(desired, dict) and isinstance(live, dict):
        return {**live, **{key: _merge(live.get(key), value, key) for key, value in desired.items()}}
    names = _KEYS.get(name)
    if isinstance(desired, list) and isinstance(live, list) and names and all(names[0] in each for each in desired):
        found = {_identity(names, each): each for each in live}
        for each in desired:
            identity = _identity(names, each)
            found[identity] = _merge(found.get(identity), each)
        return list(found.values())
    return copy.deepcopy(desired)


def _without(live: Any, before: Any, now: Any, others: list[Any], name: str = "") -> Any:
    """The live value without what the manager said before, says no more, and nobody else says."""
    if isinstance(before, dict) and isinstance(live, dict):
        result = dict(live)
        for key, value in before.items():
            rest = [other[key] for other in others if isinstance(other, dict) and key in other]
            if isinstance(now, dict) and key in now:
                result[key] = _without(live.get(key), value, now[key], rest, key)
            elif not rest:
                result.pop(key, None)
        return result
    names = _KEYS.get(name)
    if isinstance(before, list) and isinstance(live, list) and names:
        wanted = {_identity(names, each) for each in now or ()}
        gone = {_identity(names, each) for each in before} - wanted
        return [each for each in live if _identity(names, each) not in gone]
    return live


def _group_of(manifest: Manifest) -> object:
    """What the API server selects by; a value that is no text is none to it."""
    reference = (manifest.get("spec") or {}).get("groupRef")
    name = reference.get("name") if isinstance(reference, dict) else None
    return name if isinstance(name, str) else ""
