"""The chain of layers around the dispatch, in the one order that is right."""

import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from vmcp_proxy.auth.incoming.authenticator import Authenticator
from vmcp_proxy.auth.incoming.protected_resource import ProtectedResource
from vmcp_proxy.headerforward import AllowList
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.observability.tracing.spans import Tracing
from vmcp_proxy.serve.chain import (
    auditing,
    authentication,
    header_capture,
    header_validation,
    parsing,
    recovery,
    stream_timeout,
    telemetry,
    tracing,
)
from vmcp_proxy.serve.chain.refusal_audit import RefusalAudit
from vmcp_proxy.serve.chain.refused_names import RefusedNames
from vmcp_proxy.serve.chain.sources import Network
from vmcp_proxy.serve.context import Handler, Receive, RequestContext, Scope, Send

Layer = Callable[[Handler], Handler]


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """What the layers follow; `maximum` in seconds. A reload makes new settings and a new chain.

    `auditor` absent means that there is no audit layer and no enrichment, `resource` absent that challenges name none,
    `tracer` absent that nothing is traced.
    """

    policy: header_validation.HeaderPolicy
    maximum: float
    authenticator: Authenticator
    allow_list: AllowList
    auditor: auditing.Auditor | None = None
    resource: ProtectedResource | None = None
    tracer: Tracing | None = None
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainServices:
    """What outlives a reload: counters, requests in flight, refused names, sums of refusals, numbers of requests."""

    metrics: Metrics
    in_flight: stream_timeout.InFlight
    logger: logging.Logger
    is_ours: parsing.IsOurs | None = None
    refused: RefusedNames = field(default_factory=RefusedNames)
    refusals: RefusalAudit = field(default_factory=RefusalAudit)
    id_prefix: str = field(default_factory=lambda: secrets.token_hex(4))
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


class Chain:
    """An ASGI application: every HTTP request gets a context and goes through the layers to the dispatch."""

    __slots__ = ("_handler", "_services", "names")

    def __init__(self, layers: tuple[tuple[str, Layer], ...], dispatch: Handler, services: ChainServices) -> None:
        self.names: Final = tuple(name for name, _ in layers)
        self._services: Final = services
        self._handler: Final = _stack(layers)(dispatch)

    def __repr__(self) -> str:
        return f"Chain({' > '.join(self.names)})"

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        services = self._services
        context = RequestContext(
            scope,
            receive,
            send,
            request_id=(services.id_prefix, next(services.numbers)),
            started=time.perf_counter(),
            metrics=services.metrics,
        )
        return self._handler(context)


class LiveChain:
    """The ASGI application that uses the newest chain; requests in flight keep the one they began with."""

    __slots__ = ("current",)

    def __init__(self, chain: Chain) -> None:
        self.current = chain

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self.current(scope, receive, send)


def build_chain(settings: ChainSettings, dispatch: Handler, services: ChainServices) -> Chain:
    """The chain for some settings, outermost layer first; what is not configured is not in it.

    Authorization is no layer: the admission seam decides it for lists and calls alike.
    """
    auditor = settings.auditor
    # What is refused outside of the audit layer.
    audit_refusal = None if auditor is None else partial(services.refusals.record, auditor)
    layers: list[tuple[str, Layer]] = [
        (recovery.NAME, partial(recovery.recovery, logger=services.logger)),
        (
            stream_timeout.NAME,
            partial(stream_timeout.stream_timeout, in_flight=services.in_flight, maximum=settings.maximum),
        ),
        (
            header_validation.NAME,
            partial(
                header_validation.header_validation,
                policy=settings.policy,
                refused=services.refused,
                logger=services.logger,
                audit=audit_refusal,
            ),
        ),
        (
            header_capture.NAME,
            partial(header_capture.header_capture, allow_list=settings.allow_list),
        ),
        (
            authentication.NAME,
            partial(
                authentication.authentication,
                authenticator=settings.authenticator,
                audit=audit_refusal,
                resource=settings.resource,
                trusted_proxies=settings.trusted_proxies,
            ),
        ),
    ]
    audit: list[tuple[str, Layer]] = []
    if auditor is not None:
        audit = [
            (auditing.NAME, partial(auditing.auditing, auditor=auditor)),
            (auditing.ENRICHMENT, auditing.backend_enrichment),
        ]
    # A crash of one message must not cost the rest of its batch, and each is audited as if it had come alone.
    around_each = _stack((layers[0], *audit))
    layers += [
        *audit,
        (
            parsing.NAME,
            partial(
                parsing.mcp_parsing,
                max_body=settings.policy.max_body,
                around_each=around_each,
                is_ours=services.is_ours,
            ),
        ),
    ]
    if settings.tracer is not None:
        layers.append((tracing.NAME, partial(tracing.tracing, tracer=settings.tracer)))
    layers.append((telemetry.NAME, partial(telemetry.telemetry, metrics=services.metrics)))
    return Chain(tuple(layers), dispatch, services)


def _stack(layers: Sequence[tuple[str, Layer]]) -> Layer:
    """The layers as one, the first outermost."""

    def stacked(inner: Handler) -> Handler:
        for _, layer in reversed(layers):
            inner = layer(inner)
        return inner

    return stacked
