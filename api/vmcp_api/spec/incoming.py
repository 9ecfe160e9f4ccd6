"""Who may come in."""

from enum import StrEnum
from typing import Annotated

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
