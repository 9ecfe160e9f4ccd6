"""MCPServerEntry: a remote MCP server by its URL."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import Model, Url, list_map
from vmcp_api.kinds.metadata import ObjectMeta
from vmcp_api.kinds.status import Condition, StatusModel
from vmcp_api.spec.headers import HeaderForward
from vmcp_api.spec.references import CaBundleRef, NameRef


class EntryTls(Model):
    """TLS to the remote server."""

    client_certificate_ref: Annotated[
        NameRef | None,
        Field(description="Secret of type kubernetes.io/tls (`tls.crt`, `tls.key`) to present to the server."),
    ] = None


class MCPServerEntrySpec(Model):
    """Where the remote server is and how it is reached."""

    remote_url: Annotated[
        Url,
        Field(description="Endpoint, http or https, without user name or fragment."),
    ]
    transport: Annotated[Literal["streamable-http", "sse"], Field(description="How the server is spoken to.")]
    group_ref: Annotated[NameRef, Field(description="MCPGroup that the entry joins.")]
    header_forward: Annotated[HeaderForward, Field(description="Static headers of every request to it.")] = (
        HeaderForward()
    )
    external_auth_config_ref: Annotated[
        NameRef | None, Field(description="MCPExternalAuthConfig that says what it is shown.")
    ] = None
    tool_config_ref: Annotated[
        NameRef | None, Field(description="MCPToolConfig that says which of its tools every endpoint sees, and how.")
    ] = None
    ca_bundle_ref: Annotated[CaBundleRef | None, Field(description="CA certificates beyond the system's.")] = None
    tls: Annotated[EntryTls, Field(description="TLS beyond the CA certificates.")] = EntryTls()
    allow_private_endpoint: Annotated[
        bool, Field(description="Whether the URL may lead to private addresses and Services of the cluster.")
    ] = False


class MCPServerEntryPhase(StrEnum):
    """Where an entry stands."""

    PENDING = "Pending"
    VALID = "Valid"
    FAILED = "Failed"


class MCPServerEntryStatus(StatusModel):
    """What the operator observes of an entry."""

    phase: Annotated[MCPServerEntryPhase | None, Field(description="Where it stands.")] = None
    message: Annotated[str | None, Field(max_length=4096, description="The phase in words.")] = None
    observed_generation: Annotated[int | None, Field(ge=0, description="Generation that this status describes.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(max_length=32, description="Observations.", json_schema_extra=list_map("type")),
    ] = ()


class MCPServerEntry(Model):
    """A remote MCP server by its URL; the operator runs nothing for it."""

    api_version: Literal["vmcp.dev/v1beta1"]
    kind: Literal["MCPServerEntry"]
    metadata: ObjectMeta
    spec: Annotated[MCPServerEntrySpec, Field(description="What is wanted.")]
    status: Annotated[MCPServerEntryStatus | None, Field(description="What is observed.")] = None
