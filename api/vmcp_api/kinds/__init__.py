"""The resources of the API group, one module per kind."""

from typing import Final, TypeAlias

from vmcp_api.kinds.mcpauthzconfig import MCPAuthzConfig
from vmcp_api.kinds.mcpexternalauthconfig import MCPExternalAuthConfig
from vmcp_api.kinds.mcpgroup import MCPGroup
from vmcp_api.kinds.mcpoidcconfig import MCPOIDCConfig
from vmcp_api.kinds.mcpserver import MCPServer
from vmcp_api.kinds.mcpserverentry import MCPServerEntry
from vmcp_api.kinds.mcptelemetryconfig import MCPTelemetryConfig
from vmcp_api.kinds.mcptoolconfig import MCPToolConfig
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.virtualmcpcompositetooldefinition import VirtualMCPCompositeToolDefinition
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServer

Resource: TypeAlias = (
    VirtualMCPServer
    | MCPGroup
    | MCPServer
    | MCPServerEntry
    | MCPExternalAuthConfig
    | MCPOIDCConfig
    | MCPAuthzConfig
    | MCPTelemetryConfig
    | MCPToolConfig
    | VirtualMCPCompositeToolDefinition
)

KINDS: Final[dict[str, type[Resource]]] = {
    "VirtualMCPServer": VirtualMCPServer,
    "MCPGroup": MCPGroup,
    "MCPServer": MCPServer,
    "MCPServerEntry": MCPServerEntry,
    "MCPExternalAuthConfig": MCPExternalAuthConfig,
    "MCPOIDCConfig": MCPOIDCConfig,
    "MCPAuthzConfig": MCPAuthzConfig,
    "MCPTelemetryConfig": MCPTelemetryConfig,
    "MCPToolConfig": MCPToolConfig,
    "VirtualMCPCompositeToolDefinition": VirtualMCPCompositeToolDefinition,
}
"""Every kind by name."""

__all__ = [
    "KINDS",
    "MCPAuthzConfig",
    "MCPExternalAuthConfig",
    "MCPGroup",
    "MCPOIDCConfig",
    "MCPServer",
    "MCPServerEntry",
    "MCPTelemetryConfig",
    "MCPToolConfig",
    "ObjectMeta",
    "Resource",
    "VirtualMCPCompositeToolDefinition",
    "VirtualMCPServer",
]
