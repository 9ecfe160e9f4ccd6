"""The outermost layer: a crash becomes an answer, and the process lives on."""

import logging
from typing import Final

from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.serve.context import Handler, RequestContext
from vmcp_proxy.serve.rejections import CRASHED

NAME: Final = "recovery"


def recovery(inner: Handler, logger: logging.Logger) -> Handler:
    """Answers 500 (in a session 200, ADR-0050) with JSON-RPC -32603 and the request id when anything inside raises.

    The log has the id and the traceback, the client no detail. A response that has begun cannot be taken
    back: it is left incomplete, upon which the server closes the connection. Cancellation passes.
    """

    async def handle(context: RequestContext) -> None:
        try:
            await inner(context)
        except Exception as error:  # noqa: BLE001 - the one place that turns any crash into an answer
            log_event(
                logger,
                logging.ERROR,
                "request crashed",
                request_id=context.request_id,
                **({"trace_id": context.trace_id} if context.trace_id else {}),
                method=context.rpc_method[:128] or context.http_method,
                error=error,
            )
            if not context.response_started:
                data = b'{"requestId":"%b"}' % context.request_id.encode()
                await context.reject(NAME, CRASHED, data)

    return handle
