"""The whole config of one proxy."""

from typing import Annotated, Final, Literal

from pydantic import Field

from vmcp_api.base import HeaderName, Model, Name, list_map
from vmcp_api.config.backend import Backend, Withheld
from vmcp_api.config.sessions import StorageConfig
from vmcp_api.session_keys import KEY_ID_PATTERN
from vmcp_api.spec.aggregation import Aggregation
from vmcp_api.spec.audit import Audit
from vmcp_api.spec.authorization import Authorization
from vmcp_api.spec.composite import MAX_COMPOSITE_TOOLS, CompositeTool
from vmcp_api.spec.headers import PassthroughHeaderMode
from vmcp_api.spec.incoming import IncomingAuth
from vmcp_api.spec.operational import Operational
from vmcp_api.spec.optimizer import Optimizer
from vmcp_api.spec.rate_limiting import RateLimiting
from vmcp_api.spec.sessions import SessionManagement
from vmcp_api.spec.telemetry import Telemetry

CONTRACT: Final = 1
"""Number of the contract; a proxy refuses a config that carries another (ADR-0009)."""


class VmcpSettings(Model):
    """How an endpoint behaves, as resources and the config of a proxy both say it."""

    aggregation: Annotated[Aggregation, Field(description="How the catalog is composed.")] = Aggregation()
    operational: Annotated[Operational, Field(description="Timeouts, limits, health, shutdown.")] = Operational()
    audit: Annotated[Audit, Field(description="The audit log.")] = Audit()
    rate_limiting: Annotated[
        RateLimiting | None, Field(description="How much callers may ask; absent limits nothing.")
    ] = None
    composite_tools: Annotated[
        tuple[CompositeTool, ...],
        Field(
            max_length=MAX_COMPOSITE_TOOLS,
            description="Tools that run workflows over tools of the backends.",
            json_schema_extra=list_map("name"),
        ),
    ] = ()
    instructions: Annotated[
        str | None,
        Field(
            max_length=32768,
            description="Instructions for models, instead of those of the backends; an empty text drops these.",
        ),
    ] = None


class VmcpConfig(VmcpSettings):
    """How an endpoint behaves, as a proxy is told."""

    optimizer: Annotated[Optimizer | None, Field(description="Tool search; absent lists all tools, as they are.")] = (
        None
    )


class ProxyConfig(Model):
    """What a proxy needs to serve one VirtualMCPServer; holds references to secrets, never their values."""

    contract: Annotated[Literal[1], Field(description="Number of this contract.")] = CONTRACT
    name: Annotated[Name, Field(description="Name of the VirtualMCPServer.")]
    namespace: Annotated[Name, Field(description="Its namespace.")] = "default"
    incoming_auth: Annotated[IncomingAuth, Field(description="How callers are identified.")]
    authorization: Annotated[
        Authorization | None, Field(description="What callers may do; absent lets them do everything.")
    ] = None
    passthrough_headers: Annotated[
        tuple[HeaderName, ...],
        Field(max_length=64, description="Client headers that are forwarded to every backend."),
    ] = ()
    passthrough_header_mode: Annotated[
        PassthroughHeaderMode,
        Field(description="Whose headers: the session's first request, or each request's own."),
    ] = PassthroughHeaderMode.SESSION
    allowed_hosts: Annotated[
        tuple[Annotated[str, Field(max_length=253)], ...],
        Field(max_length=64, description="Host names that requests may be addressed to; empty checks nothing."),
    ] = ()
    allowed_origins: Annotated[
        tuple[Annotated[str, Field(max_length=253)], ...],
        Field(max_length=64, description="Origins that browsers may send; an absent Origin is always allowed."),
    ] = ()
    config: Annotated[VmcpConfig, Field(description="How the endpoint behaves.")] = VmcpConfig()
    session_storage: Annotated[StorageConfig, Field(description="Where session metadata lives.")] = StorageConfig()
    session_management: Annotated[SessionManagement, Field(description="Lifetimes and caps.")] = SessionManagement()
    signing_key: Annotated[
        str | None,
        Field(
            pattern=KEY_ID_PATTERN,
            description="Id of the session key that signs. Absent, or where there is none of this id: the highest of"
            " the start; one that is added signs two minutes later.",
        ),
    ] = None
    telemetry: Annotated[Telemetry | None, Field(description="What is sent by OTLP; absent sends nothing.")] = None
    backends: Annotated[
        tuple[Backend, ...], Field(max_length=256, description="Members of the group that are served.")
    ] = ()
    withheld: Annotated[
        tuple[Withheld, ...], Field(max_length=256, description="Members that are not served, and why.")
    ] = ()
