"""What went wrong between a command and an endpoint, in words and as an exit code."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import anyio
import click
import httpx2
from mcp.shared.exceptions import MCPError
from mcp_types import PARSE_ERROR

from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import clean
from vmcp_proxy.protocol.error_codes import FORBIDDEN

_REMEDIES: Final = {
    401: "give credentials with --header 'Authorization: Bearer ...'",
    403: "the credentials do not allow it",
    404: "check the path of the URL; it usually ends in /mcp",
    405: "check the URL; it usually ends in /mcp, on the port of the endpoint",
    421: "use a host name that the endpoint answers to (allowedHosts)",
    503: "wait until the session store is back; /status on the admin port says what it is",
}

_EXPLAIN: Final = (
    "`vmcp explain NAME --claims FILE` asks the admin port which policy it was, or whether there is such a name"
)

EXPECTED: Final = (
    MCPError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    click.ClickException,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    RuntimeError,
    OSError,
    # What the SDK lets through of an answer that it cannot read; pydantic's errors are ValueErrors.
    ValueError,
    ArithmeticError,
)
"""What a conversation may end with that lies with the endpoint or the command line."""


@dataclass(slots=True)
class Progress:
    """How far a conversation came: the session stands, the last HTTP status."""

    connected: bool = False
    status: int = 200


def explain(error: BaseException, url: str, progress: Progress) -> click.ClickException:
    """What an expected error means; `url` is the endpoint's, without what may be a credential in it."""
    if isinstance(error, click.ClickException):
        return error
    match error:
        case httpx2.ConnectError():
            message = f"cannot connect to {url}"
            return CommandError(Exit.UNAVAILABLE, message, "is `vmcp serve` running there?")
        case httpx2.TimeoutException():
            return CommandError(Exit.UNAVAILABLE, f"{url} did not answer in time", "see its log")
        case MCPError():
            return _explain_answer(error, url, progress)
        case RuntimeError() | ValueError() | ArithmeticError():
            return _explain_unreadable(error, url, progress)
        case _:
            message = f"talking to {url} failed ({type(error).__name__})"
            return CommandError(Exit.UNAVAILABLE, message, "is it an MCP endpoint?")


def first_of(error: BaseException) -> BaseException:
    """The first exception that is no group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _explain_answer(error: MCPError, url: str, progress: Progress) -> CommandError:
    """What an error answer means: before the session stands nothing is served, later one operation failed."""
    said = clean(error.message.rstrip("."))
    if error.code == PARSE_ERROR and said.startswith("Failed to parse"):
        # The SDK's own words, which show the answer.
        code = Exit.FAILED if progress.connected else Exit.UNAVAILABLE
        return CommandError(code, f"the answer of {url} is no JSON-RPC that can be read")
    if progress.connected:
        return CommandError(Exit.FAILED, f"{url} answered: {said}", _EXPLAIN if error.code == FORBIDDEN else "")
    status = f" with HTTP {progress.status}" if progress.status >= httpx2.codes.BAD_REQUEST else ""
    return CommandError(Exit.UNAVAILABLE, f"{url} refused the session{status}: {said}", _remedy(url, progress.status))


def _explain_unreadable(error: Exception, url: str, progress: Progress) -> CommandError:
    # Texts of the SDK's RuntimeErrors are its own; those of the others show what was read.
    said = clean(str(error)) if isinstance(error, RuntimeError) else type(error).__name__
    if progress.connected:
        return CommandError(Exit.FAILED, f"an answer of {url} cannot be read ({said})")
    message = f"the answer of {url} to initialize is invalid ({said})"
    return CommandError(Exit.UNAVAILABLE, message, "is it an MCP endpoint?")


def _remedy(url: str, status: int) -> str:
    has_path = urlsplit(url).path.strip("/") != ""
    if status in (httpx2.codes.NOT_FOUND, httpx2.codes.METHOD_NOT_ALLOWED) and url.endswith("/") and has_path:
        return f"the URL ends in a slash; try {url.rstrip('/')}"
    return _REMEDIES.get(status, "")
