"""A server on FastMCP 4: fastmcp_server.py PORT."""

import sys

import mcp_types as types
from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from pydantic import BaseModel

server = FastMCP("peer-fastmcp-4")


class Name(BaseModel):
    name: str


@server.tool
def test_simple_text() -> str:
    return "This is a simple text response for testing."


@server.tool
def test_error_handling() -> str:
    from fastmcp.exceptions import ToolError

    raise ToolError("This tool intentionally returns an error for testing")


@server.tool
async def test_tool_with_progress(ctx: Context) -> str:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
    return "Progressed."


@server.tool
async def test_elicitation(ctx: Context, message: str = "") -> str:
    answer = await ctx.elicit("What is your name?", response_type=Name)
    return f"Hello, {answer.data.name if answer.action == 'accept' else answer.action}!"


@server.tool
async def test_input_required_result_elicitation(ctx: Context) -> ToolResult | types.InputRequiredResult:
    given = ctx.input_responses or {}
    if (answer := given.get("user_name")) is not None:
        return ToolResult(content=f"Hello, {answer.content['name']}!")
    form = types.ElicitRequestFormParams(message="What is your name?", requested_schema=Name.model_json_schema())
    return types.InputRequiredResult(input_requests={"user_name": types.ElicitRequest(params=form)})


@server.resource("test://static-text")
def static_text() -> str:
    return "This is the content of the static text resource."


@server.prompt
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
