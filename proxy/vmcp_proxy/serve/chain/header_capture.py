"""The layer that says which headers may be captured from the request."""

from collections.abc import Awaitable
from typing import Final

from vmcp_proxy.headerforward import AllowList
from vmcp_proxy.serve.context import Handler, RequestContext

NAME: Final = "header_capture"


def header_capture(inner: Handler, allow_list: AllowList) -> Handler:
    """Arms the capture of passthrough headers; it happens when somebody asks, from this request alone."""

    def handle(context: RequestContext) -> Awaitable[None]:
        context.allow_passthrough(allow_list)
        return inner(context)

    return handle
