"""Backends as pods in the cluster reach them."""

from vmcp_api.config import Backend, Network, Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.manifests.problems import Problem
from vmcp_api.manifests.resolve import Member
from vmcp_api.manifests.resources import Resources
from vmcp_api.naming import server_url
from vmcp_api.render.member import Outcome, Refusal, build_tls
from vmcp_api.render.reasons import Reason
from vmcp_api.spec.headers import HeaderForward


def build_cluster_backend(member: Member, resources: Resources) -> Outcome:
    """The backend of a member whose references are all there."""
    if isinstance(member, MCPServer):
        return refuse_stdio(member, resources) or _server(member)
    return Backend(
        name=member.metadata.name,
        kind=member.kind,
        transport=Transport(member.spec.transport),
        url=member.spec.remote_url,
        network=Network.PRIVATE if member.spec.allow_private_endpoint else Network.PUBLIC,
        header_forward=member.spec.header_forward,
        tls=build_tls(member, resources),
    )


def refuse_stdio(server: MCPServer, resources: Resources) -> Refusal | None:
    """A stdio server where the operator may not run any."""
    if server.spec.transport is not Transport.STDIO or resources.serves_stdio:
        return None
    message = "transport stdio is not enabled in this cluster"
    remedy = "set stdio.enabled=true in the values of the operator's chart, or use transport streamable-http"
    return Refusal(Reason.UNSUPPORTED_TRANSPORT, Problem(message, remedy, ("spec", "transport")))


def _server(server: MCPServer) -> Backend:
    """The backend; a stdio server is served by its bridge, where headers end (ADR-0058)."""
    is_stdio = server.spec.transport is Transport.STDIO
    return Backend(
        name=server.metadata.name,
        kind=server.kind,
        transport=Transport.STREAMABLE_HTTP if is_stdio else server.spec.transport,
        url=url_of_server(server),
        network=Network.CLUSTER,
        header_forward=HeaderForward() if is_stdio else server.spec.header_forward,
    )


def url_of_server(server: MCPServer) -> str:
    """Where an MCPServer is reached within the cluster; a bridge has no other path than its own."""
    spec, metadata = server.spec, server.metadata
    path = spec.path if spec.path and spec.transport is not Transport.STDIO else _default_path(spec.transport)
    return server_url(metadata.name, metadata.namespace, spec.mcp_port, path)


def _default_path(transport: Transport) -> str:
    """Where servers of a transport answer unless they say otherwise."""
    return "/sse" if transport is Transport.SSE else "/mcp"
