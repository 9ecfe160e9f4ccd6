"""Which addresses may be dialled, and how an identity provider is reached."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import Model


class Network(StrEnum):
    """Which addresses a name may resolve to."""

    CLUSTER = "cluster"
    PRIVATE = "private"
    PUBLIC = "public"
    LOCAL = "local"


class Reach(Model):
    """How an identity provider is reached, as a proxy is told."""

    ca_bundle: Annotated[
        str | None,
        Field(
            max_length=1 << 20, description="CA certificates (PEM), copied from the reference; absent: the system's."
        ),
    ] = None
    network: Annotated[Network, Field(description="Addresses that may be dialled.")] = Network.PUBLIC
    insecure_allow_http: Annotated[
        bool, Field(description="Whether URLs without TLS are asked, those of a discovery document too.")
    ] = False
