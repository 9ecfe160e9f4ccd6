"""Who may come in."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from vmcp_api.base import Model


class IncomingAuthType(StrEnum):
    """How callers are identified."""

    ANONYMOUS = "anonymous"
    LOCAL = "local"


class IncomingAuth(Model):
    """How callers are identified; `local` exists in local mode only."""

    type: Annotated[
        IncomingAuthType,
        Field(description="`anonymous`: nobody is asked; `local`: the user of this machine (local mode only)."),
    ]


class IncomingAuthSpec(Model):
    """How callers are identified, as a resource may say it: in a cluster there is no user of this machine."""

    type: Annotated[
        Literal[IncomingAuthType.ANONYMOUS], Field(description="`anonymous`: nobody is asked who they are.")
    ]
