"""The layer that measures MCP requests by their real method."""

import time
from typing import Final

from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.serve.context import Handler, RequestContext

NAME: Final = "telemetry"


def telemetry(inner: Handler, metrics: Metrics) -> Handler:
    """Counts and times what reaches the dispatch, however it ends; the time includes reading the body."""

    async def handle(context: RequestContext) -> None:
        context.is_measured = True
        try:
            await inner(context)
        finally:
            metrics.on_request(
                context.rpc_method,
                context.final_status,
                context.final_outcome,
                time.perf_counter() - context.started,
                context.recorded_span,
            )

    return handle
