"""Small manifests as ToolHive takes them."""

from typing import Any

from vmcp_api.convert.convert import convert
from vmcp_api.convert.report import Conversion, Converted, Fate
from vmcp_api.convert.yaml_out import to_yaml
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.problems import format_path

VERSION = "toolhive.stacklok.dev/v1beta1"


def theirs(kind: str, name: str = "one", /, *, version: str = VERSION, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "ns"}, "spec": spec}


def endpoint(**spec: Any) -> dict[str, Any]:
    """A VirtualMCPServer that ToolHive takes."""
    return theirs("VirtualMCPServer", **{"groupRef": {"name": "team"}, "incomingAuth": {"type": "anonymous"}, **spec})


def converted(*manifests: dict[str, Any]) -> Conversion:
    outcome = convert([Source("in.yaml", to_yaml(manifests))])
    assert not outcome.problems, str(outcome.problems)
    return outcome


def only(manifest: dict[str, Any]) -> tuple[dict[str, Any], Converted]:
    """What becomes of one object, and what is told of it."""
    outcome = converted(manifest)
    (told,) = outcome.objects
    return dict(told.results[0]) if told.results else {}, told


def told_as(told: Converted, fate: Fate) -> dict[str, tuple[str | None, str]]:
    """The values of one fate by their place: where each went, and the words."""
    return {
        "" if each.path is None else format_path(each.path): (
            None if each.to is None else format_path(each.to),
            f"{each.why}; {each.remedy}" if each.remedy else each.why,
        )
        for each in told.fields
        if each.fate is fate
    }


def lost(told: Converted) -> dict[str, str]:
    return {path: words for path, (_, words) in told_as(told, Fate.LOST).items()}


def changed(told: Converted) -> dict[str, str | None]:
    """Where each changed value went; the type is left out, which always changes."""
    return {path: to for path, (to, _) in told_as(told, Fate.CHANGED).items() if path not in ("", "apiVersion")}


def added(told: Converted) -> list[str]:
    return [format_path(each.to) for each in told.fields if each.path is None and each.to is not None]
