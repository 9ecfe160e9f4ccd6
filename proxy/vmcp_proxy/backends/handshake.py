"""What a backend's answer to `initialize` says, whatever its transport."""

from typing import Final

from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.protocol.initialize import ServerHello, parse_server_hello
from vmcp_proxy.protocol.jsonrpc import Response
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import BACKEND_REVISIONS

REVISIONS_ON_STREAMS: Final = BACKEND_REVISIONS | {"2024-11-05", "2025-03-26"}
"""Revisions that are spoken over stdio and HTTP+SSE, whose framing did not change since the first one."""


def read_hello(backend: str, answer: Response, revisions: frozenset[str]) -> ServerHello:
    """What the backend said of itself.

    Raises:
        BackendError: it refused, said nothing readable, or speaks none of the revisions.
    """
    if answer.result is None:
        raise BackendError(backend, Category.REFUSED, "it answered initialize with an error")
    try:
        hello = parse_server_hello(answer.result)
    except InvalidParamsError:
        raise BackendError(backend, Category.PROTOCOL, "its initialize result is malformed") from None
    if hello.version not in revisions:
        raise BackendError(backend, Category.PROTOCOL, "it speaks no revision that is spoken here")
    return hello
