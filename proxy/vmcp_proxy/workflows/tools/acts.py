"""What a run does in the world: calls through the layers of the core, and questions to the client."""

import asyncio
from collections.abc import Hashable
from typing import Any, Final, cast, get_args

import msgspec

from vmcp_api.base import Json
from vmcp_api.templates.decoding import RangeError
from vmcp_proxy.auth.decision import ALLOW, DecisionRecord
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import CANCELLED
from vmcp_proxy.core.calls.child_exchange import ChildExchange
from vmcp_proxy.core.calls.receivers import tell_during
from vmcp_proxy.core.client import NoReply
from vmcp_proxy.core.outcomes import Invalid, Reply
from vmcp_proxy.core.shares import holder_of
from vmcp_proxy.core.virtual import Caller, Charged, Exchange, Inner, Looked, Operation, Target, VirtualMCP, act
from vmcp_proxy.observability.tracing.spans import Trace
from vmcp_proxy.protocol.jsonrpc import Raw, encode_notification
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import InvalidParamsError, parse_members, raw_text
from vmcp_proxy.workflows.acts import Arguments, ElicitAction, ElicitReply, StepRef, ToolFailure, ToolReply, Unasked
from vmcp_proxy.workflows.arguments import InputShapes, fitted
from vmcp_proxy.workflows.bounds import MOST_HELD
from vmcp_proxy.workflows.results import encode_json
from vmcp_proxy.workflows.tools.call import CompositeCall
from vmcp_proxy.workflows.tools.replies import tool_reply
from vmcp_proxy.workflows.weight import decode_json, weight_of

_TOOL_CALL: Final = "tools/call"
_ELICIT: Final = "elicitation/create"
_ACTIONS: Final = frozenset(get_args(ElicitAction))
_NO_REPLY: Final = {
    NoReply.UNDECLARED: "the client takes no questions (it has not declared the capability elicitation)",
    NoReply.CROWDED: "the client is being asked too much already",
    NoReply.ENDED: "the client's session has ended",
}


class StepNote(msgspec.Struct, frozen=True, gc=False):
    """The call of a step, for those who tell of it: `error` is empty where the tool gave a result, whatever it says."""

    tool: str
    backend: str
    decision: DecisionRecord | None
    error: str


class CallActs:
    """The `Acts` of one call of a composite tool: its steps are calls of the same caller.

    What backends say and ask meanwhile goes to the client on the stream of that call. `notes` are kept by step. Calls
    of a step belong to the trace of the request, `trace`, unless `trace_step` names a span for them.
    `title` is what people know the composite tool by.
    """

    def __init__(
        self,
        steps: VirtualMCP,
        caller: Caller,
        exchange: Exchange,
        call: CompositeCall,
        shapes: InputShapes,
        title: str,
    ) -> None:
        self._steps: Final = steps
        self._caller: Final = caller
        self._exchange: Final = exchange
        self._call: Final = call
        self._shapes: Final = shapes
        self._title: Final = title
        self.trace: Final = call.trace
        self._traces: Final[dict[str, Trace]] = {}
        self.notes: Final[dict[str, StepNote]] = {}

    @property
    def holder(self) -> Hashable:
        """See `Acts.holder`."""
        return holder_of(self._caller)

    def trace_step(self, step: str, trace: Trace) -> None:
        """Has the calls of a step belong to this span."""
        self._traces[step] = trace

    async def call_tool(self, step: StepRef, tool: str, arguments: Arguments, seconds: float) -> ToolReply:
        """See `Acts.call_tool`; what the tool is, is found once: its schema, the decision and the act are of one."""
        trace = self._traces.get(step.step, self.trace)
        inner, level = Inner(max(seconds, 0.0)), self._call.log_level
        wanted = Operation(_TOOL_CALL, Kind.TOOL, tool, parsed={}, trace=trace, inner=inner, log_level=level)
        child = ChildExchange(self._exchange)
        looked = await self._steps.resolve(self._caller, wanted)
        resolved = looked.resolved if isinstance(looked, Charged) else looked
        if isinstance(resolved, Target):
            # By the name that it is counted and judged by.
            tool = resolved.capability.exposed
            arguments = fitted(arguments, self._shapes.of(resolved.capability.raw))
        members = {"name": raw_text(tool), "arguments": msgspec.Raw(encode_json(arguments))}
        operation = msgspec.structs.replace(wanted, name=tool, parsed=members)
        error = CANCELLED
        try:
            reply = tool_reply(await self._act(operation, looked, child))
            error = reply.kind.value if isinstance(reply, ToolFailure) else ""
        finally:
            self._note(step.step, StepNote(tool, child.backend, child.decision, error))
        return reply

    async def _act(self, operation: Operation, looked: Looked, child: ChildExchange) -> Reply:
        try:
            return await act(self._steps, self._caller, operation, looked, child)
        except InvalidParamsError as flaw:
            # Of the arguments that the templates have made: the step has failed, and not the request.
            return Invalid(str(flaw))

    def _note(self, step: str, note: StepNote) -> None:
        """Of the calls of a step the last one stands for all, or the first that was denied."""
        former = self.notes.get(step)
        if former is None or former.decision is None or former.decision.decision.outcome == ALLOW:
            self.notes[step] = note

    async def ask(self, step: StepRef, message: str, schema: dict[str, Json], seconds: float) -> ElicitReply | Unasked:
        """See `Acts.ask`; clients name the server that asks and no tool of it, so that the question does."""
        del step
        client = self._caller.client
        if not _takes_forms(client.terms.capabilities):
            return Unasked(_NO_REPLY[NoReply.UNDECLARED])
        said = f"{self._title}: {message}"
        # MCP wants both members, and strict clients take nothing without them.
        requested = {"type": "object", "properties": {}, **schema}
        params = msgspec.Raw(encode_json({"message": said, "requestedSchema": requested}))
        deadline = Deadline.after(asyncio.get_running_loop().time(), max(seconds, 0.0))
        heard = await client.prompt(_ELICIT, params, tell_during(self._exchange, client), deadline)
        if heard is NoReply.OVERDUE:
            return ElicitReply("cancel")
        if isinstance(heard, NoReply):
            return Unasked(_NO_REPLY[heard])
        if heard.result is None:
            return Unasked("the client has refused the question with an error")
        return _read_answer(heard.result)

    async def progressed(self, done: int, total: int, message: str) -> None:
        """See `Acts.progressed`."""
        token = self._call.progress_token
        if token is None or not self._exchange.takes_messages:
            return
        body = {"progressToken": token, "progress": done, "total": total, "message": message}
        await self._exchange.send(encode_notification("notifications/progress", msgspec.json.encode(body)))


def _takes_forms(capabilities: bytes) -> bool:
    """Whether the client takes questions by form: since MCP 2025-11-25 it may take those by URL alone."""
    try:
        declared = parse_members(capabilities).get("elicitation")
        modes = parse_members(declared)
    except InvalidParamsError:
        return False
    return declared is not None and (not modes or "form" in modes)


def _read_answer(raw: Raw) -> ElicitReply | Unasked:
    """An `ElicitResult`; its content is not checked yet."""
    weight = weight_of(raw)
    if weight > MOST_HELD:
        return Unasked("the client's answer takes more memory than a workflow may have")
    try:
        result: Any = decode_json(raw)
    except RangeError as error:
        return Unasked(f"the client's answer holds {error}")
    except (ValueError, RecursionError):
        result = None
    action = result.get("action") if isinstance(result, dict) else None
    if action not in _ACTIONS:
        return Unasked("the client's answer is no answer to a question")
    content = result.get("content")
    return ElicitReply(cast("ElicitAction", action), content if isinstance(content, dict) else {}, weight)
