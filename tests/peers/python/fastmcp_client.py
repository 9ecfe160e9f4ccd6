"""A client on FastMCP 4: fastmcp_client.py URL ERA."""

import asyncio
import sys
from contextlib import AsyncExitStack

import mcp_types as types
from fastmcp import Client
from mcp.client.subscriptions import listen
from steps import ASKS, SIMPLE_TEXT, STATIC_TEXT, answer, expect, step

MODES = {"legacy": "legacy", "modern": "2026-07-28", "auto": "auto"}


async def elicited(_message, _type, params, _context):
    return answer(params.requested_schema)


async def main(url: str, era: str) -> None:
    changed = asyncio.Event()

    async def heard(message) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            changed.set()

    client = Client(url, mode=MODES[era], elicitation_handler=elicited, message_handler=heard)

    async def listed() -> None:
        expect("test_simple_text" in [tool.name for tool in await client.list_tools()], "test_simple_text in the list")

    async def called() -> None:
        expect((await client.call_tool("test_simple_text")).content[0].text == SIMPLE_TEXT, "the simple text")

    async def failed() -> None:
        expect((await client.call_tool("test_error_handling", raise_on_error=False)).is_error, "isError")

    async def progressed() -> None:
        seen = []

        async def on_progress(progress, _total, _message) -> None:
            seen.append(progress)

        await client.call_tool("test_tool_with_progress", progress_handler=on_progress)
        expect(seen == [0, 50, 100], f"0, 50, 100 and not {seen}")

    async def read() -> None:
        expect((await client.read_resource("test://static-text"))[0].text == STATIC_TEXT, "the static text")

    async def prompted() -> None:
        prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        expect("arg1='a', arg2='b'" in prompt.messages[0].content.text, "both arguments")

    def is_modern() -> bool:
        return client.session.protocol_version == "2026-07-28"

    async def asked() -> None:
        tool = ASKS["modern" if is_modern() else "legacy"]
        said = (await client.call_tool(tool, {} if is_modern() else {"message": "Who are you?"})).content[0].text
        expect("alice" in said.lower(), f"the answer in {said}")

    async def heard_of_change() -> None:
        if not is_modern():
            await client.call_tool("test_trigger_tool_change")
            await changed.wait()
            return
        async with listen(client.session, tools_list_changed=True) as events:
            await client.call_tool("test_trigger_tool_change")
            async for _ in events:
                return

    async with AsyncExitStack() as stack:
        await step("connect", lambda: stack.enter_async_context(client))
        for name, act in {
            "list": listed,
            "call": called,
            "error": failed,
            "progress": progressed,
            "read": read,
            "prompt": prompted,
            "ask": asked,
            "change": heard_of_change,
        }.items():
            await step(name, act)


asyncio.run(main(*sys.argv[1:]))
