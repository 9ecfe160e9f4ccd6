"""The call of a composite tool: what the client said, and the answer made of what became of the run; pure."""

from typing import Any, Final

import msgspec

from vmcp_api.templates.decoding import RangeError
from vmcp_proxy.core import outcomes
from vmcp_proxy.core.outcomes import Reply, Result, Unavailable
from vmcp_proxy.core.virtual import Operation
from vmcp_proxy.observability.tracing.spans import Trace
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.params import InvalidParamsError, Members, encode_members, parse_members
from vmcp_proxy.workflows.acts import Arguments
from vmcp_proxy.workflows.bounds import MOST_HELD
from vmcp_proxy.workflows.model import Workflow
from vmcp_proxy.workflows.outcome import Busy, Completed, Failed, Outcome, Report, TimedOut
from vmcp_proxy.workflows.parameters import Invalid
from vmcp_proxy.workflows.tools.trace import KEY, describe
from vmcp_proxy.workflows.weight import decode_json, weight_of

_BUSY: Final = "busy"
_META: Final = "_meta"
_ARGUMENTS: Final = "arguments"


class CompositeCall(msgspec.Struct, frozen=True, gc=False):
    """What a client wants of a composite tool; `progress_token` is its own, as raw JSON."""

    name: str
    arguments: Arguments
    progress_token: msgspec.Raw | None
    wants_trace: bool
    trace: Trace | None
    log_level: str | None = None

    @classmethod
    def of(cls, operation: Operation) -> "CompositeCall":
        """The call that an operation is.

        Raises:
            InvalidParamsError: its arguments are no object, or hold what no workflow may.
        """
        members = operation.members
        meta = _meta_of(members)
        return cls(
            operation.name,
            _arguments_of(members),
            meta.get("progressToken"),
            bytes(meta.get(KEY, b"")).strip() == b"true",
            operation.trace,
            operation.log_level,
        )

    def reply(self, workflow: Workflow, outcome: Outcome) -> Reply:
        """What the client gets."""
        match outcome:
            case Completed():
                return Result(self._traced(outcome.result, workflow, outcome.report))
            case Failed() | TimedOut():
                text = f"Workflow {self.name!r}: {outcome.text}"
                result = {"content": [{"type": "text", "text": text}], "isError": True}
                return Result(self._traced(msgspec.json.encode(result), workflow, outcome.report))
            case Invalid():
                return outcomes.Invalid(
                    f"The arguments of {self.name!r} do not fit its schema: {outcome.about('arguments')}"
                )
            case Busy():
                text = f"too many workflows run at the moment; try again in {outcome.retry_after} s"
                return Unavailable("", _BUSY, text, outcome.retry_after)

    def _traced(self, result: Raw, workflow: Workflow, report: Report) -> Raw:
        """The result, with how the run went where the client wants to know."""
        if not self.wants_trace:
            return result
        try:
            members = parse_members(result)
            meta = parse_members(members.get(_META))
        except InvalidParamsError:
            return result
        meta[KEY] = msgspec.Raw(describe(workflow, report))
        members[_META] = msgspec.Raw(encode_members(meta))
        return encode_members(members)


def _meta_of(members: Members) -> Members:
    try:
        return parse_members(members.get(_META))
    except InvalidParamsError:
        return {}


def _arguments_of(members: Members) -> Arguments:
    raw = members.get(_ARGUMENTS)
    if raw is not None and weight_of(raw) > MOST_HELD:
        raise InvalidParamsError('The member "arguments" takes more memory than a workflow may have.')
    try:
        found: Any = None if raw is None else decode_json(raw)
    except RangeError as error:
        raise InvalidParamsError(f'The member "arguments" holds {error}.') from None
    except (ValueError, RecursionError):
        found = ()
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidParamsError('The member "arguments" must be an object.')
    return found
