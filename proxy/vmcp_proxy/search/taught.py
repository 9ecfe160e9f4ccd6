"""Adds to what becomes of a call that was handed on what its model needs for the next try."""

import asyncio
from typing import Final

import msgspec

from vmcp_proxy.core.outcomes import Denied, Invalid, InWords, RawFailure, Reply, Result, Unknown
from vmcp_proxy.core.virtual import Caller, Operation, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import InvalidParamsError, marks_of, parse_members, text_of
from vmcp_proxy.protocol.tool_results import tool_error, with_text
from vmcp_proxy.search.arguments import shown
from vmcp_proxy.search.lessons import lesson_of
from vmcp_proxy.search.nearest import nearest
from vmcp_proxy.search.visibility import is_for_models

_UNSAID: Final = "The tool's server refused the call."


async def taught(inner: VirtualMCP, caller: Caller, operation: Operation, reply: Reply) -> Reply:
    """The reply to the call of a tool, in words where the call itself was wrong; any other as it is.

    Of a tool that the caller may not see nothing is said but what is said of one that is not there.
    """
    match reply:
        case Result():
            marks = marks_of(reply.raw) if reply.marks is None else reply.marks
            if not marks.is_error or not (lesson := await _lesson(inner, caller, operation)):
                return reply
            return msgspec.structs.replace(reply, raw=with_text(reply.raw, lesson))
        case RawFailure():
            lesson = await _lesson(inner, caller, operation)
            return Result(tool_error(_message_of(reply), lesson), reply.backend) if lesson else reply
        case Invalid():
            lesson = await _lesson(inner, caller, operation)
            return InWords(f"{reply.reason}\n{lesson}") if lesson else reply
        case Denied() | Unknown():
            return await _misnamed(inner, caller, operation, reply)
    return reply


async def misnamed(inner: VirtualMCP, caller: Caller, name: str, *, is_denied: bool) -> InWords:
    """What is said of a name that is no tool for the caller's model, with those that are most like it."""
    catalog = await inner.view(caller)
    names = [tool.exposed for tool in catalog.tools if is_for_models(tool.raw)]
    close = await asyncio.to_thread(nearest, name, names)
    remedy = f"The nearest names are {', '.join(close)}." if close else "No name is like it."
    return InWords(f"Unknown tool: {shown(name)}. {remedy} Find tools by what they are for with find_tool.", is_denied)


async def _misnamed(inner: VirtualMCP, caller: Caller, operation: Operation, reply: Denied | Unknown) -> Reply:
    catalog = await inner.view(caller)
    if catalog.find(Kind.TOOL, operation.name) is not None:
        return reply
    return await misnamed(inner, caller, operation.name, is_denied=isinstance(reply, Denied))


async def _lesson(inner: VirtualMCP, caller: Caller, operation: Operation) -> str:
    tool = (await inner.view(caller)).find(Kind.TOOL, operation.name)
    if tool is None:
        return ""
    return await asyncio.to_thread(lesson_of, tool.raw, operation.name, operation.members)


def _message_of(failure: RawFailure) -> str:
    try:
        return text_of(parse_members(failure.error), "message")
    except InvalidParamsError:
        return _UNSAID
