"""The layer that takes what the dispatch found out to the audit."""

from typing import Final

from vmcp_proxy.serve.context import Enrichment, Handler, RequestContext

NAME: Final = "backend_enrichment"


def backend_enrichment(inner: Handler) -> Handler:
    """Keeps method, target, backend and session of a request for its audit event, however it ended."""

    async def handle(context: RequestContext) -> None:
        try:
            await inner(context)
        finally:
            context.backend_enrichment = Enrichment(
                context.rpc_method, context.target, context.backend, context.session_ref
            )

    return handle
