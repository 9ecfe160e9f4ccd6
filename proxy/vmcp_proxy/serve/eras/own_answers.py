"""What becomes of a call where there is no result, in the words that clients of both eras read.

Codes are those of the era with sessions; the table of the other era says which of them it has no use for
(`vmcp_proxy.serve.modern.answers`).
"""

from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.core.outcomes import (
    Contradicted,
    Denied,
    Invalid,
    InWords,
    Limit,
    Limited,
    Lost,
    PartialFailure,
    RawFailure,
    Unanswered,
    Unavailable,
    Unchecked,
    Unknown,
    Unlisted,
)
from vmcp_proxy.core.policy.rate_limit import LAYER
from vmcp_proxy.observability.audit import Outcome, Reason
from vmcp_proxy.protocol.error_codes import (
    FORBIDDEN,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    RESOURCE_NOT_FOUND,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
)
from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import COMPLETION
from vmcp_proxy.protocol.tool_results import tool_error
from vmcp_proxy.serve.context import RequestContext

_NO_COMPLETION: Final = b'{"completion":{"values":[],"hasMore":false}}'
_NOUN: Final = {Kind.TOOL: "tool", Kind.PROMPT: "prompt", Kind.RESOURCE: "resource", Kind.TEMPLATE: "resource"}
_MOST_NAMED: Final = 5
"""Silent backends that one answer tells of."""

_LONGEST_NAME: Final = 256
_BACKEND: Final = "vmcp.dev/backend"
_CATEGORY: Final = "vmcp.dev/category"
_RETRY_AFTER: Final = "vmcp.dev/retryAfterSeconds"
_LIMITED: Final = {
    Limit.SHARED: "This endpoint is asked more often than it may be",
    Limit.PER_USER: "You have asked as often as you may",
    Limit.TOOL_SHARED: "This tool is called more often than it may be",
    Limit.TOOL_PER_USER: "You have called this tool as often as you may",
}
_LOST: Final = (
    "The call does not wait for these answers any more: it was answered, was given up, or ended with its replica. "
    "Begin again without requestState; what the call did before it asked may be done already."
)
_UNCHECKED: Final = "Rate limits cannot be checked now; try again."


class Failure(msgspec.Struct, frozen=True, gc=False):
    """An error of ours; `data` is raw JSON."""

    code: int
    message: str
    data: bytes | None = None


Content: TypeAlias = Failure | RawFailure | bytes
"""What stands in the answer: an error of ours, that of a backend, or a result as raw JSON."""


class OwnAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer that no backend's result is; `headers` go with it where the response has not begun yet.

    `outcome` is that of the audit, `backend` the one that the answer is about, `rejected_by` the layer that refused,
    `reason` what came between: the proxy gave up the wait for the backend.
    """

    content: Content
    outcome: Outcome | None
    backend: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    rejected_by: str = ""
    reason: Reason | None = None

    def note(self, context: RequestContext) -> None:
        """Says what came of a request to audit and telemetry."""
        context.backend = self.backend
        context.outcome = self.outcome
        context.rejected_by = self.rejected_by
        context.reason = self.reason


def own_answer(request: Request, reply: Unanswered) -> OwnAnswer:  # noqa: C901, PLR0911 - a row for each outcome
    """What the client gets where there is no result of a backend."""
    match reply:
        case RawFailure():
            return OwnAnswer(reply, Outcome.APPLICATION_ERROR, reply.backend)
        case Denied():
            return OwnAnswer(Failure(FORBIDDEN, "Forbidden."), Outcome.DENIED)
        case Invalid():
            return OwnAnswer(Failure(INVALID_PARAMS, reply.reason), Outcome.FAILURE)
        case InWords():
            return OwnAnswer(tool_error(reply.text), Outcome.DENIED if reply.is_denied else Outcome.FAILURE)
        case Contradicted():
            return OwnAnswer(Failure(HEADER_MISMATCH, reply.reason), Outcome.FAILURE)
        case Lost():
            return OwnAnswer(Failure(INTERNAL_ERROR, _LOST), Outcome.FAILURE)
        case Limited():
            return _limited(reply)
        case Unchecked():
            return _for_a_while(reply.retry_after, SERVER_ERROR, _UNCHECKED, Outcome.ERROR)
        case Unknown():
            return _unknown(request, reply)
        case Unlisted():
            return _unlisted(request, reply)
        case Unavailable():
            return _unavailable(request, reply)
        case PartialFailure():
            data = msgspec.json.encode({_BACKEND: reply.backend, _CATEGORY: reply.category})
            return OwnAnswer(Failure(INTERNAL_ERROR, reply.message, data), Outcome.ERROR, reply.backend)


def _limited(reply: Limited) -> OwnAnswer:
    text = f"{_LIMITED[reply.limit]}; try again in {reply.retry_after} s."
    return _for_a_while(reply.retry_after, TOO_MANY_REQUESTS, text, Outcome.DENIED, limit=reply.limit.value)


def _for_a_while(seconds: int, code: int, text: str, outcome: Outcome, **more: str) -> OwnAnswer:
    """Refused for a while: `Retry-After` (RFC 9110 section 10.2.3), and the same in the data for who sees no header."""
    data = msgspec.json.encode({"retryAfterSeconds": seconds, **more})
    headers = ((b"retry-after", b"%d" % seconds),)
    return OwnAnswer(Failure(code, text, data), outcome, headers=headers, rejected_by=LAYER)


def _unknown(request: Request, reply: Unknown) -> OwnAnswer:
    if request.method == COMPLETION:
        return OwnAnswer(_NO_COMPLETION, None)
    if reply.kind is Kind.RESOURCE:
        data = msgspec.json.encode({"uri": reply.name})
        return OwnAnswer(Failure(RESOURCE_NOT_FOUND, "Resource not found", data), Outcome.FAILURE)
    text = f"Unknown {_noun(request, reply.kind)}: {reply.name[:_LONGEST_NAME]}"
    return OwnAnswer(Failure(INVALID_PARAMS, text), Outcome.FAILURE)


def _unlisted(request: Request, reply: Unlisted) -> OwnAnswer:
    silent = reply.silent
    named = [outcome.message for outcome in silent.values()]
    more = [f"and {len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    reasons = "; ".join(named[:_MOST_NAMED] + more)
    noun, name = _noun(request, reply.kind), reply.name[:_LONGEST_NAME]
    text = f"No {noun} {name!r} is known yet, and it may belong to: {reasons}"
    first = next(iter(silent))
    return _unavailable(request, Unavailable(first, silent[first].status, text))


def _unavailable(request: Request, reply: Unavailable) -> OwnAnswer:
    """A tool result that a model can read, or an error for the other methods; no backend may be behind it."""
    data: dict[str, str | int] = {_BACKEND: reply.backend} if reply.backend else {}
    data[_CATEGORY] = reply.category
    if reply.retry_after is not None:
        data[_RETRY_AFTER] = reply.retry_after
    if request.method == "tools/call":
        content: Content = tool_error(reply.message, meta=data)
    else:
        content = Failure(INTERNAL_ERROR, reply.message, msgspec.json.encode(data))
    reason = Reason.TIMEOUT if reply.category == Reason.TIMEOUT.value else None
    return OwnAnswer(content, Outcome.ERROR, reply.backend, reason=reason)


def _noun(request: Request, kind: Kind | None) -> str:
    """What the name is of; a completion asks for an argument, whoever's."""
    return "name" if kind is None or request.method == COMPLETION else _NOUN[kind]
