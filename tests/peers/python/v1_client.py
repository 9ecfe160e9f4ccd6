"""A client on the Python SDK 1, also on one that has no elicitation yet: v1_client.py URL ERA."""

import asyncio
import inspect
import sys
from contextlib import AsyncExitStack

from mcp import ClientSession, types
from mcp.client import streamable_http
from steps import ASKS, SIMPLE_TEXT, STATIC_TEXT, answer, expect, step

connect = getattr(streamable_http, "streamable_http_client", None) or streamable_http.streamablehttp_client
HAS_FORMS = "elicitation_callback" in inspect.signature(ClientSession.__init__).parameters


async def elicited(_context, params):
    return types.ElicitResult(action="accept", content=answer(params.requestedSchema))


async def sampled(_context, _params):
    return types.CreateMessageResult(
        role="assistant", content=types.TextContent(type="text", text="Alice"), model="none"
    )


async def main(url: str, _era: str) -> None:
    changed = asyncio.Event()

    async def heard(message) -> None:
        if isinstance(getattr(message, "root", None), types.ToolListChangedNotification):
            changed.set()

    forms = {"elicitation_callback": elicited} if HAS_FORMS else {"sampling_callback": sampled}
    stack = AsyncExitStack()
    session = None

    async def connected() -> None:
        nonlocal session
        read, write, _ = await stack.enter_async_context(connect(url))
        session = await stack.enter_async_context(ClientSession(read, write, message_handler=heard, **forms))
        await session.initialize()

    async def listed() -> None:
        names = [tool.name for tool in (await session.list_tools()).tools]
        expect("test_simple_text" in names, "test_simple_text in the list")

    async def called() -> None:
        result = await session.call_tool("test_simple_text", {})
        expect(result.content[0].text == SIMPLE_TEXT, "the simple text")

    async def failed() -> None:
        expect((await session.call_tool("test_error_handling", {})).isError, "isError")

    async def progressed() -> None:
        seen = []

        async def on_progress(progress, *_more) -> None:
            seen.append(progress)

        if "progress_callback" in inspect.signature(session.call_tool).parameters:
            await session.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)
            expect(seen == [0, 50, 100], f"0, 50, 100 and not {seen}")

    async def read() -> None:
        result = await session.read_resource("test://static-text")
        expect(result.contents[0].text == STATIC_TEXT, "the static text")

    async def prompted() -> None:
        prompt = await session.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        expect("arg1='a', arg2='b'" in prompt.messages[0].content.text, "both arguments")

    async def asked() -> None:
        tool, argument = (ASKS["legacy"], "message") if HAS_FORMS else ("test_sampling", "prompt")
        said = (await session.call_tool(tool, {argument: "Who are you?"})).content[0].text
        expect("alice" in said.lower(), f"the answer in {said}")

    async def heard_of_change() -> None:
        await session.call_tool("test_trigger_tool_change", {})
        await changed.wait()

    acts = {
        "connect": connected,
        "list": listed,
        "call": called,
        "error": failed,
        "progress": progressed,
        "read": read,
        "prompt": prompted,
        "ask": asked,
        "change": heard_of_change,
    }
    async with stack:
        for name, act in acts.items():
            await step(name, act)


asyncio.run(main(*sys.argv[1:]))
