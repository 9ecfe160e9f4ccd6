"""The models of objects that were read: one version of an object is parsed once, however many reconciles read it."""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vmcp_api.kinds import KINDS, Resource
from vmcp_api.kinds.foreign.core import ConfigMap
from vmcp_api.kinds.foreign.lifecycle import parse_binding, parse_server
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import AnyObject
from vmcp_api.manifests.validate import validate
from vmcp_operator.plan.kinds import CONFIG_MAP, GATEWAY_BINDING, LIFECYCLE_SERVER, Kind, Manifest, kind_of

MOST: Final = 4096
"""Objects whose model is kept, the one read longest ago goes first; 200 endpoints with 10 backends are 2400."""

MOST_BYTES: Final = 16 << 20
"""JSON text of the objects whose model is kept; a model takes about three times that."""

_READ: Final = frozenset({"apiVersion", "kind", "metadata", "spec"})


class Models:
    """Parses objects; of our own kinds the last version of each is remembered.

    Models are frozen, so that they may be shared. What was read is always the API server's: only the work is saved.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most: Final = most
        self._most_bytes: Final = most_bytes
        self._bytes = 0
        self._known: Final[OrderedDict[str, _Kept]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def parse(self, manifest: Manifest) -> AnyObject | Problems:
        """The model of an object; the status of one of our own kinds is the operator's and is not read."""
        foreign = _FOREIGN.get(kind_of(manifest))
        if foreign is not None:
            return foreign(manifest)
        uid, version = manifest["metadata"]["uid"], manifest["metadata"]["resourceVersion"]
        known = self._known.get(uid)
        if known is not None and known.version == version:
            self._known.move_to_end(uid)
            return known.parsed
        wanted: Manifest = {key: value for key, value in manifest.items() if key in _READ}
        parsed = validate(KINDS[manifest["kind"]], wanted)
        self._keep(uid, _Kept(version, parsed, len(json.dumps(wanted))))
        return parsed

    def _keep(self, uid: str, kept: "_Kept") -> None:
        former = self._known.pop(uid, None)
        self._bytes += kept.size - (former.size if former else 0)
        self._known[uid] = kept
        while len(self._known) > self._most or self._bytes > self._most_bytes:
            _, gone = self._known.popitem(last=False)
            self._bytes -= gone.size


@dataclass(frozen=True, slots=True)
class _Kept:
    """A model with the version and the size in bytes of what it was made of."""

    version: str
    parsed: Resource | Problems
    size: int


def _parse_config_map(manifest: Manifest) -> ConfigMap:
    metadata = manifest["metadata"]
    return ConfigMap(metadata["name"], metadata["namespace"], manifest.get("data") or {})


_FOREIGN: Final[Mapping[Kind, Callable[[Manifest], AnyObject]]] = {
    CONFIG_MAP: _parse_config_map,
    LIFECYCLE_SERVER: parse_server,
    GATEWAY_BINDING: parse_binding,
}
