"""Adds to what becomes of a call that was handed on what its model needs for the next try."""

from itertools import islice
from typing import Final

import msgspec

from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Denied, Invalid, InWords, RawFailure, Reply, Result, Unknown
from vmcp_proxy.core.virtual import Caller, Operation, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import InvalidParamsError, marks_of, parse_members, text_of
from vmcp_proxy.protocol.tool_results import tool_error, with_text
from vmcp_proxy.search.arguments import shown
from vmcp_proxy.search.aside import Aside
from vmcp_proxy.search.calling.lessons import lesson_of
from vmcp_proxy.search.calling.nearest import nearest
from vmcp_proxy.search.lists.visibility import is_for_models

_MOST_NAMED: Final = 5
_UNSAID: Final = "The tool's server refused the call."


class Teacher:
    """Puts replies in words; what it may name it asks the `inner` core for, on behalf of the caller."""

    def __init__(self, inner: VirtualMCP, aside: Aside) -> None:
        self._inner: Final = inner
        self._aside: Final = aside

    async def taught(self, caller: Caller, operation: Operation, reply: Reply) -> Reply:
        """The reply to the call of a tool, in words where the call itself was wrong; any other as it is.

        Of a tool that the caller may not see nothing is said but what is said of one that is not there.
        """
        match reply:
            case Result():
                marks = marks_of(reply.raw) if reply.marks is None else reply.marks
                return await self._failed(caller, operation, reply) if marks.is_error else reply
            case RawFailure() | Invalid():
                return await self._failed(caller, operation, reply)
            case Denied() | Unknown():
                if (await self._inner.view(caller)).find(Kind.TOOL, operation.name) is None:
                    return await self.misnamed(caller, operation.name, is_denied=isinstance(reply, Denied))
        return reply

    async def _failed(self, caller: Caller, operation: Operation, reply: Result | RawFailure | Invalid) -> Reply:
        """The same with the tool's schema where the arguments do not fit it."""
        tool = (await self._inner.view(caller)).find(Kind.TOOL, operation.name)
        if tool is None:
            return reply
        lesson = await self._aside.run(lesson_of, tool.raw, operation.name, operation.members)
        if not lesson:
            return reply
        match reply:
            case Result():
                return msgspec.structs.replace(reply, raw=with_text(reply.raw, lesson))
            case RawFailure():
                return Result(tool_error(_message_of(reply), lesson), reply.backend)
            case Invalid():
                return InWords(f"{reply.reason}\n{lesson}")

    async def misnamed(self, caller: Caller, name: str, *, is_denied: bool) -> InWords:
        """What is said of a name that is no tool for the caller's model, with those that are most like it."""
        catalog = await self._inner.view(caller)
        close = await self._aside.run(_nearest, name, catalog)
        remedy = f"The nearest names are {', '.join(close)}." if close else "No name is like it."
        said = f"Unknown tool: {shown(name)}. {remedy} Find tools by what they are for with find_tool."
        return InWords(said, is_denied)


def _nearest(name: str, catalog: Catalog) -> tuple[str, ...]:
    # Whether a tool is for models takes as long as its descriptor is: it is asked of those alone that would be named.
    close = nearest(name, (tool.exposed for tool in catalog.tools))
    return tuple(islice((each for each in close if _is_for_models(each, catalog)), _MOST_NAMED))


def _is_for_models(name: str, catalog: Catalog) -> bool:
    tool = catalog.find(Kind.TOOL, name)
    return tool is not None and is_for_models(tool.raw)


def _message_of(failure: RawFailure) -> str:
    try:
        return text_of(parse_members(failure.error), "message")
    except InvalidParamsError:
        return _UNSAID
