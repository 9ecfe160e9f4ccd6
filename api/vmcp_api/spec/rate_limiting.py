"""How much callers may ask: token buckets (ADR-0045)."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import Model, Seconds, list_map


class OnStoreFailure(StrEnum):
    """What becomes of a request while the buckets cannot be asked."""

    ALLOW = "allow"
    DENY = "deny"


class Bucket(Model):
    """A token bucket: full at first, and each request takes one token."""

    max_tokens: Annotated[
        int, Field(ge=1, le=1_000_000, description="Tokens of a full bucket: the largest burst of requests.")
    ]
    refill_period: Annotated[
        Seconds,
        Field(
            ge=0.001,
            le=2_592_000,
            description="How long an empty bucket takes to be full again; tokens come one by one, at an even pace.",
        ),
    ]


class ToolLimits(Model):
    """The limits of one tool, which hold beside those of the endpoint."""

    name: Annotated[str, Field(min_length=1, max_length=128, description="Tool, by the name that clients see.")]
    shared: Annotated[Bucket | None, Field(description="Bucket of all callers together.")] = None
    per_user: Annotated[Bucket | None, Field(description="Bucket of each caller; callers must be identified.")] = None


class RateLimiting(Model):
    """The buckets of an endpoint; a request needs a token of each that it belongs to, or takes none."""

    shared: Annotated[Bucket | None, Field(description="Bucket of all callers together.")] = None
    per_user: Annotated[Bucket | None, Field(description="Bucket of each caller; callers must be identified.")] = None
    tools: Annotated[
        tuple[ToolLimits, ...],
        Field(
            max_length=256,
            description="Further buckets for calls of single tools.",
            json_schema_extra=list_map("name"),
        ),
    ] = ()
    on_store_failure: Annotated[
        OnStoreFailure, Field(description="What becomes of requests while Redis cannot be asked.")
    ] = OnStoreFailure.ALLOW

    @property
    def has_per_user(self) -> bool:
        """Whether any bucket tells callers apart."""
        return self.per_user is not None or any(tool.per_user is not None for tool in self.tools)
