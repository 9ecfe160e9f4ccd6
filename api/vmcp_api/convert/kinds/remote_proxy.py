"""MCPRemoteProxy: the remote server stays as an MCPServerEntry, the proxy before it is gone."""

from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.convert.kinds.older import convert_entry
from vmcp_api.convert.kinds.tool_filter import convert_tools_filter
from vmcp_api.naming import API_VERSION

_SPEC: Final = "spec"
_NOTHING_RUNS: Final = "is about pods, and nothing runs for an MCPServerEntry: clients connect to the VirtualMCPServer"
_OF_PODS: Final = (
    "port",
    "proxyPort",
    "resources",
    "serviceAccount",
    "podTemplateSpec",
    "resourceOverrides",
    "replicas",
    "sessionAffinity",
    "sessionStorage",
)
_ALONE: Final = "every MCPServerEntry is in a group, which a VirtualMCPServer serves; write one with this groupRef"


def convert_remote_proxy(draft: Draft) -> None:
    """An MCPRemoteProxy, which becomes an MCPServerEntry; who may call it is said at the endpoint that serves it."""
    convert_entry(draft)
    draft.add((_SPEC, "transport"), "streamable-http", "is what ToolHive takes where nothing is said")
    for key in _OF_PODS:
        draft.drop((_SPEC, key), _NOTHING_RUNS)
    if draft.get(_SPEC, "trustProxyHeaders") is False:
        draft.drop((_SPEC, "trustProxyHeaders"), _NOTHING_RUNS)
    convert_tools_filter(draft)
    name, namespace = draft.get("metadata", "name"), draft.get("metadata", "namespace")
    if not draft.has((_SPEC, "groupRef")) and isinstance(name, str):
        draft.add((_SPEC, "groupRef", "name"), f"{name}-group", _ALONE)
        place = {"namespace": namespace} if namespace is not None else {}
        draft.others.append(
            {"apiVersion": API_VERSION, "kind": "MCPGroup", "metadata": {"name": f"{name}-group", **place}}
        )
