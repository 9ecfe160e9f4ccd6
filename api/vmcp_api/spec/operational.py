"""Timeouts, limits, health and shutdown."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import BackendName, Bytes, Model, Seconds


class LogLevel(StrEnum):
    """How much the process writes to its log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class PartialFailureMode(StrEnum):
    """What a request gets while a member of the group is unhealthy."""

    BEST_EFFORT = "best_effort"
    FAIL = "fail"


class Timeouts(Model):
    """Bounds on waits, each in seconds inside and as a duration outside."""

    default: Annotated[Seconds, Field(gt=0, le=86400, description="Bound of one call to a backend.")] = 60.0
    per_workload: Annotated[
        dict[BackendName, Annotated[Seconds, Field(gt=0, le=86400)]],
        Field(max_length=256, description="Bound of one call by backend."),
    ] = Field(default_factory=dict)
    maximum: Annotated[
        Seconds, Field(gt=0, le=86400, description="Hard bound of any request, whatever progress it reports.")
    ] = 3600.0
    list: Annotated[Seconds, Field(gt=0, le=300, description="Deadline of one backend's answer to a listing.")] = 2.0
    connect: Annotated[Seconds, Field(gt=0, le=300, description="Bound of TCP and TLS set-up to a backend.")] = 5.0
    drain: Annotated[
        Seconds,
        Field(
            ge=0,
            le=3600,
            description="How long calls in flight may go on once the port closes, after the shutdown delay.",
        ),
    ] = 25.0


class Limits(Model):
    """Bounds on sizes and counts."""

    request_body: Annotated[Bytes, Field(description="Largest request body, in bytes.")] = 8 << 20
    response_body: Annotated[Bytes, Field(description="Largest answer of a backend, in bytes.")] = 64 << 20
    list_bytes: Annotated[Bytes, Field(description="Largest listing of one backend, all pages, in bytes.")] = 32 << 20
    list_pages: Annotated[int, Field(ge=1, le=100_000, description="Most pages of one backend's listing.")] = 1000
    list_items: Annotated[int, Field(ge=1, le=1_000_000, description="Most entries of one backend's listing.")] = 50_000
    catalog_bytes: Annotated[
        Bytes,
        Field(
            description=(
                "Most bytes that are kept of what single callers see: listings that backends have for their headers or"
                " tokens, catalogs and pages of lists. What has no room is asked for, or made, anew."
            )
        ),
    ] = 96 << 20
    page_size: Annotated[int, Field(ge=1, le=10_000, description="Entries on one page of our own lists.")] = 1000
    connections_per_backend: Annotated[
        int, Field(ge=1, le=10_000, description="Most open connections to one backend, streams not counted.")
    ] = 256


class CircuitBreaker(Model):
    """When calls to a failing backend are refused at once (ADR-0025)."""

    enabled: Annotated[bool, Field(description="Whether the breaker acts.")] = False
    failure_threshold: Annotated[int, Field(ge=1, le=1000, description="Failures in a row that open it.")] = 5
    timeout: Annotated[Seconds, Field(gt=0, le=3600, description="How long it stays open before a trial.")] = 60.0


class FailureHandling(Model):
    """How failing backends are found and treated."""

    health_check_interval: Annotated[
        Seconds, Field(gt=0, le=3600, description="Time between two probes of a backend.")
    ] = 30.0
    health_check_timeout: Annotated[Seconds, Field(gt=0, le=300, description="Bound of one probe.")] = 10.0
    unhealthy_threshold: Annotated[
        int, Field(ge=1, le=100, description="Failures in a row that make a backend unhealthy.")
    ] = 3
    partial_failure_mode: Annotated[
        PartialFailureMode, Field(description="Serve the rest, or refuse all, while a backend is unhealthy.")
    ] = PartialFailureMode.BEST_EFFORT
    circuit_breaker: Annotated[CircuitBreaker, Field(description="The breaker of each backend.")] = CircuitBreaker()


class Operational(Model):
    """How the proxy behaves under load, failure and change."""

    log_level: Annotated[LogLevel, Field(description="Least severe level that is logged.")] = LogLevel.INFO
    timeouts: Annotated[Timeouts, Field(description="Bounds on waits.")] = Timeouts()
    limits: Annotated[Limits, Field(description="Bounds on sizes and counts.")] = Limits()
    failure_handling: Annotated[FailureHandling, Field(description="Health and breaker.")] = FailureHandling()
    catalog_ttl: Annotated[
        Seconds, Field(gt=0, le=86400, description="Age at which a backend's listing is read again.")
    ] = 300.0
    keep_alive_interval: Annotated[
        Seconds, Field(gt=0, le=300, description="Time between comments on an idle stream.")
    ] = 15.0
    trusted_proxies: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(
            max_length=64,
            description=(
                "Networks (CIDR) whose X-Forwarded-For names where a request comes from: for the audit, and for what"
                " one address may have the issuer asked."
            ),
        ),
    ] = ()
