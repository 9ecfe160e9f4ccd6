"""What becomes of the call of a step in the core, as the engine knows it; pure."""

from typing import Final

import msgspec

from vmcp_proxy.core.outcomes import (
    Contradicted,
    Denied,
    Invalid,
    InWords,
    Limited,
    Lost,
    PartialFailure,
    RawFailure,
    Reply,
    Result,
    Unavailable,
    Unchecked,
    Unknown,
    Unlisted,
)
from vmcp_proxy.protocol.error_codes import INVALID_PARAMS
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.workflows.acts import FailureKind, ToolFailure, ToolReply, ToolResult
from vmcp_proxy.workflows.reasons import shortened

_TIMEOUT: Final = "timeout"
_MOST_NAMED: Final = 5

_DENIED: Final = ToolFailure(FailureKind.DENIED, "this caller may not call its tool, or there is no such tool")
_UNKNOWN: Final = ToolFailure(FailureKind.UNKNOWN, "there is no such tool")


def tool_reply(reply: Reply) -> ToolReply:  # noqa: C901, PLR0911 - a row for each outcome
    """The result, or why there is none: in words for the client, which may not know the tool's name."""
    match reply:
        case Result():
            return ToolResult(reply.raw)
        case RawFailure():
            return _refused(reply.error)
        case Denied():
            return _DENIED
        case Unknown():
            return _UNKNOWN
        case Invalid() | Contradicted():
            return ToolFailure(FailureKind.INVALID, reply.reason)
        case Limited():
            return _limited("it is called more often than it may be", reply.retry_after)
        case Unchecked():
            return _limited("rate limits cannot be checked now", reply.retry_after)
        case Unlisted():
            reasons = [outcome.message for outcome in reply.silent.values()][:_MOST_NAMED]
            return ToolFailure(FailureKind.UNAVAILABLE, f"its tool is not known yet: {'; '.join(reasons)}")
        case Lost() | InWords():
            # No step goes on with anything, nor has its call handed on.
            return _UNKNOWN
        case Unavailable():
            kind = FailureKind.TIMEOUT if reply.category == _TIMEOUT else FailureKind.UNAVAILABLE
            return ToolFailure(kind, reply.message, reply.retry_after)
        case PartialFailure():
            return ToolFailure(FailureKind.UNAVAILABLE, reply.message)


def _limited(text: str, seconds: int) -> ToolFailure:
    return ToolFailure(FailureKind.LIMITED, f"{text}; try again in {seconds} s", seconds)


class _Error(msgspec.Struct, gc=False):
    code: int = 0
    message: str = ""


_decode: Final = msgspec.json.Decoder(_Error).decode


def _refused(raw: Raw) -> ToolFailure:
    """A backend's error; its message is cut to what a reason may have."""
    try:
        error = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = _Error()
    text = error.message.strip()
    kind = FailureKind.INVALID if error.code == INVALID_PARAMS else FailureKind.REFUSED
    return ToolFailure(kind, shortened(text) or f"its backend answered with error {error.code}")
