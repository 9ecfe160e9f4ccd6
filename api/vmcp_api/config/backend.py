"""One backend as the proxy sees it, references resolved."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import BackendName, Model
from vmcp_api.spec.headers import HeaderForward
from vmcp_api.spec.network import Network
from vmcp_api.spec.outgoing import OutgoingAuth
from vmcp_api.spec.references import KeyRef


class Transport(StrEnum):
    """How a backend is spoken to."""

    STREAMABLE_HTTP = "streamable-http"
    SSE = "sse"
    STDIO = "stdio"


class BackendTls(Model):
    """TLS to one backend beyond the system's roots."""

    ca_bundle_ref: Annotated[KeyRef | None, Field(description="ConfigMap key with CA certificates (PEM).")] = None
    ca_bundle: Annotated[
        str | None, Field(max_length=1 << 20, description="CA certificates (PEM), copied from the reference.")
    ] = None
    client_certificate_ref: Annotated[
        KeyRef | None,
        Field(description="Secret with `tls.crt` and `tls.key`; `key` names the certificate's entry."),
    ] = None


class Backend(Model):
    """A member of the group that is served."""

    name: Annotated[BackendName, Field(description="Name within the group.")]
    kind: Annotated[
        str,
        Field(max_length=63, description="Kind of the resource that it comes from: MCPServer or MCPServerEntry."),
    ]
    transport: Annotated[Transport, Field(description="How it is spoken to.")]
    url: Annotated[str | None, Field(max_length=2048, description="Endpoint of the HTTP transports.")] = None
    sse_fallback: Annotated[
        bool,
        Field(description="Whether HTTP+SSE is tried where Streamable HTTP is refused: a URL without a type."),
    ] = False
    network: Annotated[Network, Field(description="Addresses that may be dialled.")] = Network.PUBLIC
    header_forward: Annotated[HeaderForward, Field(description="Static headers.")] = HeaderForward()
    outgoing_auth: Annotated[
        OutgoingAuth | None, Field(description="Credentials that it is shown; absent adds none.")
    ] = None
    tls: Annotated[BackendTls, Field(description="TLS beyond the system's roots.")] = BackendTls()
    command: Annotated[
        tuple[str, ...],
        Field(max_length=256, description="Program and arguments of a stdio backend (local mode)."),
    ] = ()
    env: Annotated[
        dict[str, str],
        Field(max_length=256, description="Environment of a stdio backend, added to a minimal one."),
    ] = Field(default_factory=dict)
    env_from_secret: Annotated[
        dict[str, KeyRef],
        Field(max_length=256, description="Variables of a stdio backend with the value in a Secret."),
    ] = Field(default_factory=dict)
    cwd: Annotated[str | None, Field(max_length=4096, description="Working directory of a stdio backend.")] = None


class Withheld(Model):
    """A member of the group that is not served, and why."""

    name: Annotated[BackendName, Field(description="Name within the group.")]
    kind: Annotated[str, Field(max_length=63, description="Kind of the resource.")]
    reason: Annotated[str, Field(max_length=63, description="CamelCase reason, stable.")]
    message: Annotated[str, Field(max_length=1024, description="What is wrong and what to do.")]
