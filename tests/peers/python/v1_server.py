"""A server on the Python SDK 1: v1_server.py PORT."""

import sys

from mcp.server.fastmcp import Context, FastMCP
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel

server = FastMCP("peer-python-1", host="127.0.0.1", port=int(sys.argv[1]))
has_extra = False


class Name(BaseModel):
    name: str


@server.tool()
def test_simple_text() -> str:
    return "This is a simple text response for testing."


@server.tool()
def test_error_handling() -> CallToolResult:
    text = TextContent(type="text", text="This tool intentionally returns an error for testing")
    return CallToolResult(content=[text], isError=True)


@server.tool()
async def test_tool_with_progress(ctx: Context) -> str:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
    return "Progressed."


async def ask(ctx: Context) -> str:
    answer = await ctx.elicit("What is your name?", Name)
    return f"Hello, {answer.data.name if answer.action == 'accept' else answer.action}!"


@server.tool()
async def test_elicitation(ctx: Context, message: str = "") -> str:
    return await ask(ctx)


@server.tool()
async def test_input_required_result_elicitation(ctx: Context) -> str:
    return await ask(ctx)


def extra() -> str:
    return "Only here at times."


@server.tool()
async def test_trigger_tool_change(ctx: Context) -> str:
    global has_extra  # noqa: PLW0603 - one server in one process
    if has_extra:
        server.remove_tool("test_dynamic_tool")
    else:
        server.add_tool(extra, name="test_dynamic_tool")
    has_extra = not has_extra
    await ctx.session.send_tool_list_changed()
    return "The list of tools has changed."


@server.resource("test://static-text")
def static_text() -> str:
    return "This is the content of the static text resource."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


server.run("streamable-http")
