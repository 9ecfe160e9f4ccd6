"""Places of converted manifests, which are plain data."""

from collections.abc import Mapping
from typing import Any

from vmcp_api.base import Json


def at(manifest: Mapping[str, Json], *path: str) -> Json:
    """What stands at a place; None where nothing does."""
    found: Any = manifest
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found  # type: ignore[no-any-return] # what stands in a manifest is JSON


def namespace_of(manifest: Mapping[str, Json]) -> str:
    """The namespace of a manifest."""
    return str(at(manifest, "metadata", "namespace") or "default")
