"""Backends as pods in the cluster reach them."""

from vmcp_api.config import Backend, Network, Transport
from vmcp_api.kinds import MCPServer
from vmcp_api.manifests.problems import Problem
from vmcp_api.manifests.resolve import Member
from vmcp_api.manifests.resources import Resources
from vmcp_api.naming import server_url
from vmcp_api.render.member import Outcome, Refusal, build_tls
from vmcp_api.render.reasons import Reason


def build_cluster_backend(member: Member, resources: Resources) -> Outcome:
    """The backend of a member whose references are all there."""
    if isinstance(member, MCPServer):
        return _server(member)
    return Backend(
        name=member.metadata.name,
        kind=member.kind,
        transport=Transport(member.spec.transport),
        url=member.spec.remote_url,
        network=Network.PRIVATE if member.spec.allow_private_endpoint else Network.PUBLIC,
        header_forward=member.spec.header_forward,
        tls=build_tls(member, resources),
    )


def _server(server: MCPServer) -> Outcome:
    spec, metadata = server.spec, server.metadata
    if spec.transport is Transport.STDIO:
        message = "transport stdio cannot be reached over the network"
        remedy = "run the server with transport streamable-http, or serve it in local mode"
        return Refusal(Reason.UNSUPPORTED_TRANSPORT, Problem(message, remedy, ("spec", "transport")))
    path = spec.path or default_path(spec.transport)
    return Backend(
        name=metadata.name,
        kind=server.kind,
        transport=spec.transport,
        url=server_url(metadata.name, metadata.namespace, spec.mcp_port, path),
        network=Network.CLUSTER,
        header_forward=spec.header_forward,
    )


def default_path(transport: Transport) -> str:
    """Where servers of a transport answer unless they say otherwise."""
    return "/sse" if transport is Transport.SSE else "/mcp"
