"""What an MCPServer owns and reads."""

from typing import Final

from vmcp_api.config import Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.kinds.mcpserver import MCPServerStatus
from vmcp_api.manifests.resources import Resources
from vmcp_operator.plan.controller import Child, Controller, Planned, Read
from vmcp_operator.plan.kinds import (
    MCP_GROUP,
    NETWORK_POLICY,
    ROLE,
    ROLE_BINDING,
    SERVER,
    SERVICE,
    SERVICE_ACCOUNT,
    Manifest,
    Ref,
)
from vmcp_operator.plan.objects.naming import object_name
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.pointers import points_of_member
from vmcp_operator.plan.references import read_member_auth, read_member_tools
from vmcp_operator.plan.server.plan import plan_server
from vmcp_operator.plan.server.status import REFUSED, server_status
from vmcp_operator.plan.server.stdio import bridge_ref, stateful_set_ref


def server_children(key: Ref, found: Resources, manifest: Manifest) -> tuple[Child, ...]:
    """Every child that the operator may have made."""
    server = found.of(MCPServer).get(key.name)
    name = object_name(key)
    is_stdio = bool(server and server.spec.transport is Transport.STDIO)
    bridge = (stateful_set_ref(key), *(bridge_ref(kind, key) for kind in (SERVICE_ACCOUNT, ROLE, ROLE_BINDING)))
    is_wanted = is_stdio and found.serves_stdio
    may_be_there = is_stdio or (found.serves_stdio and _may_have_been_stdio(manifest))
    return (
        *((Child(ref, is_wanted) for ref in bridge) if may_be_there else ()),
        Child(Ref(SERVICE_ACCOUNT, key.namespace, name)),
        Child(Ref(NETWORK_POLICY, key.namespace, name), is_wanted=bool(server and server.spec.network_policy.enabled)),
        Child(Ref(SERVICE, key.namespace, name)),
        Child(deployment_ref(key)),
    )


def _may_have_been_stdio(manifest: Manifest) -> bool:
    """Whether what stdio needs may be there to delete: where the status is of a former generation.

    It is of the present one only after all of that was deleted; `Refused` tells of what was not.
    """
    status = manifest.get("status") or {}
    seen = status.get("observedGeneration")
    was_refused = any(each["type"] == "Ready" and each["reason"] == REFUSED for each in status.get("conditions") or ())
    return was_refused or seen not in (None, manifest["metadata"].get("generation"))


def server_reads(key: Ref, found: Resources) -> tuple[Read, ...]:
    """The group, where the server joins one, what it is shown, and which of its tools are seen."""
    server = found.of(MCPServer).get(key.name)
    group = server.spec.group_ref if server else None
    groups = (Ref(MCP_GROUP, key.namespace, group.name),) if group else ()
    return (*groups, *read_member_auth(key.namespace, found), *read_member_tools(key.namespace, found))


SERVER_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=SERVER,
    status_type=MCPServerStatus,
    points_to=points_of_member,
    reads=server_reads,
    children=server_children,
    plan=plan_server,
    status=server_status,
)
