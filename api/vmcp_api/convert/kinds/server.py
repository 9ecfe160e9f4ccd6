"""MCPServer: the server's pods stay, the proxy before them is gone."""

from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.convert.kinds.older import convert_older_group
from vmcp_api.convert.kinds.tool_filter import convert_tools_filter
from vmcp_api.manifests.problems import Loc

NO_PROXY: Final = "no proxy stands before each server here: clients connect to the VirtualMCPServer"
CONTAINER: Final = "mcp"
"""The server's container, in ToolHive as here."""

_SPEC: Final = "spec"
_POD: Final[Loc] = (_SPEC, "podTemplateSpec", "spec")
_OVERRIDES: Final[Loc] = (_SPEC, "resourceOverrides", "proxyDeployment")


def convert_server(draft: Draft) -> None:
    """An MCPServer, which is one here too."""
    convert_older_group(draft)
    draft.add((_SPEC, "transport"), "stdio", f"is what ToolHive takes where nothing is said; {_STDIO}")
    if draft.get(_SPEC, "transport") == "stdio":
        _convert_stdio(draft)
    for key in ("port", "proxyPort", "proxyMode", "sessionAffinity"):
        draft.drop((_SPEC, key), NO_PROXY)
    draft.move((_SPEC, "targetPort"), (_SPEC, "mcpPort"), "is called mcpPort")
    draft.drop((_SPEC, "replicas"), f"counts proxies, and {NO_PROXY}")
    _convert_replicas(draft)
    if draft.get(_SPEC, "trustProxyHeaders") is False:
        draft.drop((_SPEC, "trustProxyHeaders"), NO_PROXY)
    draft.move((_SPEC, "serviceAccount"), (*_POD, "serviceAccountName"), "is a setting of the pods")
    draft.move((*_OVERRIDES, "imagePullSecrets"), (*_POD, "imagePullSecrets"), "is a setting of the server's pods")
    profile = (draft.get(_SPEC, "permissionProfile", key) for key in ("type", "name"))
    if tuple(profile) in ((None, "network"), ("builtin", "network")):
        draft.drop((_SPEC, "permissionProfile"), "restricts nothing in a cluster")
    convert_tools_filter(draft)
    _convert_volumes(draft)
    for place in (("annotations",), ("labels",), ("env",), ("podTemplateMetadataOverrides",)):
        draft.lose((*_OVERRIDES, *place), f"is about a proxy's pods; {NO_PROXY}", _FOR_PODS)
    draft.lose((_SPEC, "resourceOverrides", "proxyService"), f"is about a proxy's Service; {NO_PROXY}", _FOR_SERVICE)


def _convert_replicas(draft: Draft) -> None:
    theirs: Loc = (_SPEC, "backendReplicas")
    wanted, is_stdio = draft.get(*theirs), draft.get(_SPEC, "transport") == "stdio"
    if is_stdio and isinstance(wanted, int) and wanted > 1:
        draft.put(theirs, (_SPEC, "replicas"), 1, "a stdio server is one process, as in ToolHive")
    else:
        draft.move(theirs, (_SPEC, "replicas"), "counts the server's pods")


def _convert_stdio(draft: Draft) -> None:
    """A server on stdin and stdout: ToolHive's proxy attaches to its pod, here a bridge does."""
    transport: Loc = (_SPEC, "transport")
    draft.put(transport, transport, "stdio", _STDIO)
    draft.drop((_SPEC, "proxyMode"), "a bridge speaks Streamable HTTP, to endpoints alone")
    draft.drop((_SPEC, "targetPort"), "a stdio server listens on no port; that of its bridge is mcpPort")


_STDIO: Final = (
    "runs where the operator's chart has stdio.enabled=true, and one process serves all clients"
    " (docs/how-to/stdio-servers.md)"
)

_FOR_PODS: Final = (
    "write labels, annotations and env of the server's own pods in podTemplateSpec; those of the endpoint's pods in"
    " podTemplateSpec of the VirtualMCPServer"
)
_FOR_SERVICE: Final = "expose the VirtualMCPServer by serviceType, or by a Service or Ingress of your own"


def _convert_volumes(draft: Draft) -> None:
    """A volume there is a path of the node and where it is mounted; here the pod template says both."""
    volumes = draft.get(_SPEC, "volumes")
    if not isinstance(volumes, list) or not all(_is_volume(each) for each in volumes):
        return
    why = "is a volume of the pods, mounted into their container"
    container = _container(draft)
    for index, volume in enumerate(volumes):
        loc: Loc = (_SPEC, "volumes", index)
        mount = {"name": volume["name"], "mountPath": volume["mountPath"]}
        if "readOnly" in volume:
            mount["readOnly"] = volume["readOnly"]
        path = {"name": volume["name"], "hostPath": {"path": volume["hostPath"]}}
        draft.append((*_POD, "volumes"), path, (*loc, "hostPath"))
        draft.append((*_POD, "containers", container, "volumeMounts"), mount, (*loc, "mountPath"))
    draft.drop((_SPEC, "volumes"), why)


def _is_volume(value: object) -> bool:
    """Whether it is one that can be said otherwise; all else is told by the check of the whole."""
    known = {"name", "hostPath", "mountPath", "readOnly"}
    return isinstance(value, dict) and {"name", "hostPath", "mountPath"} <= value.keys() <= known


def _container(draft: Draft) -> int:
    """The place of the server's container in the pod template, which is made where it is not named yet."""
    containers = draft.get(*_POD, "containers")
    known = containers if isinstance(containers, list) else []
    for index, each in enumerate(known):
        if isinstance(each, dict) and each.get("name") == CONTAINER:
            return index
    draft.append((*_POD, "containers"), {"name": CONTAINER}, None)
    return len(known)
