"""What a backend's answer to `initialize` says, whatever its transport."""

import logging
import weakref
from collections.abc import Callable
from typing import Final

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import BackendSession
from vmcp_proxy.backends.refusals.words import printable, words_of_error
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.protocol.initialize import ServerHello, parse_server_hello
from vmcp_proxy.protocol.jsonrpc import Response
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import BACKEND_REVISIONS, LATEST

logger: Final = logging.getLogger("vmcp.backends")

_LONGEST_REVISION: Final = 40


class SharedHello:
    """Lets the sessions of one backend hold one hello for as long as theirs are equal.

    It is held by them alone: what a backend says in it may be of a caller's headers (ADR-0016).
    """

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: weakref.ref[ServerHello] | None = None

    def of(self, hello: ServerHello) -> ServerHello:
        """The hello of the last session that was opened, where it is equal and still held; else this one."""
        latest = None if self._latest is None else self._latest()
        if latest == hello:
            return latest
        self._latest = weakref.ref(hello)
        return hello


async def greet(session: BackendSession, backend: str, headers: OutgoingHeaders, deadline: Deadline) -> None:
    """Says that the handshake is through. A refusal is logged: what the server makes of it the first request shows.

    Raises:
        BackendError: a server that does not take it has used up the time of who waits for the session.
    """
    try:
        async with deadline.bound():
            await session.notify("notifications/initialized", None, headers)
    except TimeoutError as error:
        raise BackendError(backend, Category.TIMEOUT) from error
    except BackendError as error:
        log_event(logger, logging.INFO, "initialized was refused", backend=backend, error=error.told)


def read_hello(backend: str, answer: Response, mask: Callable[[str], str]) -> ServerHello:
    """What the backend said of itself; `mask` takes secrets out of what it says.

    Raises:
        BackendError: it refused, said nothing readable, or speaks none of the revisions.
    """
    if answer.result is None:
        hint = "it answered initialize with an error"
        said = words_of_error(answer.error, mask)
        raise BackendError(backend, Category.REFUSED, hint, detail=f"it said {said}" if said else "")
    try:
        hello = parse_server_hello(answer.result)
    except InvalidParamsError:
        raise BackendError(backend, Category.PROTOCOL, "its initialize result is malformed") from None
    if hello.version not in BACKEND_REVISIONS:
        named = printable(mask(hello.version), _LONGEST_REVISION)
        hint = f"it answers with revision {named}, and {min(BACKEND_REVISIONS)} to {LATEST} are spoken here"
        raise BackendError(backend, Category.PROTOCOL, hint)
    return hello
