"""A filter that older manifests write into the server becomes an MCPToolConfig; lost, it would open all tools."""

from typing import Any, Final

from vmcp_api.convert.draft import Draft
from vmcp_api.kinds import MCPToolConfig
from vmcp_api.manifests.problems import Loc, Problems
from vmcp_api.manifests.validate import validate
from vmcp_api.naming import API_VERSION

_KEYS: Final = ("tools", "toolsFilter")
"""What releases of ToolHive called it."""

_WHY: Final = "is said in an MCPToolConfig, which toolConfigRef names"


def convert_tools_filter(draft: Draft) -> None:
    """The filter of a server or a proxy; beside a reference it had no effect."""
    for key in _KEYS:
        loc: Loc = ("spec", key)
        if draft.has(("spec", "toolConfigRef")):
            draft.drop(loc, "had no effect beside toolConfigRef")
        elif draft.get(*loc):
            _write(draft, loc)


def _write(draft: Draft, loc: Loc) -> None:
    metadata: dict[str, Any] = {"name": f"{draft.get('metadata', 'name')}-tools"}
    if (namespace := draft.get("metadata", "namespace")) is not None:
        metadata["namespace"] = namespace
    other = {"apiVersion": API_VERSION, "kind": "MCPToolConfig", "metadata": metadata}
    config: dict[str, Any] = {**other, "spec": {"toolsFilter": draft.get(*loc)}}
    found = validate(MCPToolConfig, config)
    if isinstance(found, Problems):
        first = next(iter(found))
        draft.refuse(f"is left out: {first.message} in spec.{loc[-1]}", first.remedy)
        return
    draft.drop(loc, _WHY)
    draft.add(("spec", "toolConfigRef", "name"), metadata["name"], _WHY)
    draft.others.append(config)
