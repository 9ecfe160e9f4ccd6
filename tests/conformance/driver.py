"""Has a proxy before one backend do what a scenario of clients asks for.

The suite starts it with the URL of its server, to see what the proxy sends to a backend:
`python -m tests.conformance.driver ERA URL`.
"""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import mcp_types as types
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.conformance.setups import FIRST, proxy
from tests.conformance.suite import MODERN

MODES: Final = {"legacy": "legacy", "modern": MODERN}
RECONNECTION_SECONDS: Final = 20.0
Act = Callable[[Client, list[types.Tool]], Awaitable[None]]


async def _elicited(_context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
    """Accepts every form with the defaults that stand in it."""
    schema = getattr(params, "requested_schema", {})
    fields = {name: each for name, each in schema.get("properties", {}).items() if isinstance(each, dict)}
    content = {name: each.get("default", True) for name, each in fields.items()}
    return types.ElicitResult(action="accept", content=content)


async def _sampled(_context: object, _params: object) -> types.CreateMessageResult:
    said = types.TextContent(type="text", text="Hello.")
    return types.CreateMessageResult(role="assistant", content=said, model="none")


async def _roots(_context: object) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[])


def calls(*named: tuple[str, Mapping[str, Any]]) -> Act:
    """Calls tools one after the other."""

    async def act(client: Client, _tools: list[types.Tool]) -> None:
        for name, arguments in named:
            await client.call_tool(name, dict(arguments), read_timeout_seconds=RECONNECTION_SECONDS)

    return act


async def nothing(_client: Client, _tools: list[types.Tool]) -> None:
    """The lists are all."""


async def everything(client: Client, tools: list[types.Tool]) -> None:
    """Calls every tool, reads every resource, gets every prompt."""
    for tool in tools:
        await client.call_tool(tool.name, {})
    for resource in (await client.list_resources()).resources:
        with contextlib.suppress(MCPError):
            await client.read_resource(str(resource.uri))
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name)


async def every_tool(client: Client, tools: list[types.Tool]) -> None:
    """Calls every tool that is there."""
    for tool in tools:
        await client.call_tool(tool.name, {})


async def as_told(client: Client, tools: list[types.Tool]) -> None:
    """Calls what the scenario has put into the environment."""
    told = json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])["toolCalls"]
    await calls(*((each["name"], each["arguments"]) for each in told))(client, tools)


async def echo_of_schema(client: Client, tools: list[types.Tool]) -> None:
    """Sends back the schema of a tool as it was listed."""
    (schema,) = (tool.input_schema for tool in tools if tool.name == "json_schema_2020_12_tool")
    await client.call_tool("json_schema_echo", {"schema": schema})


ACTS: Final[Mapping[str, Act]] = {
    "initialize": nothing,
    "tools_call": calls(("add_numbers", {"a": 2, "b": 3})),
    "elicitation-sep1034-client-defaults": calls(("test_client_elicitation_defaults", {})),
    "sse-retry": calls(("test_reconnection", {})),
    "request-metadata": nothing,
    "http-standard-headers": everything,
    "http-custom-headers": as_told,
    "http-invalid-tool-headers": every_tool,
    "json-schema-ref-no-deref": nothing,
    "json-schema-2020-12-preservation": echo_of_schema,
    "sep-2322-client-request-state": calls(
        ("test_mrtr_echo_state", {}),
        ("test_mrtr_unrelated", {}),
        ("test_mrtr_no_state", {}),
        ("test_mrtr_no_result_type", {}),
    ),
}
"""By scenario."""


async def main(era: str, backend: str) -> None:
    """Drives one scenario; a failure is the exit code of the program, and its log is on stderr."""
    act = ACTS[os.environ["MCP_CONFORMANCE_SCENARIO"]]
    with tempfile.TemporaryDirectory(prefix="vmcp-conformance-") as name:
        folder = Path(name)
        try:
            async with (
                proxy({FIRST: backend}, folder) as url,
                Client(
                    url,
                    mode=MODES[era],
                    elicitation_callback=_elicited,
                    sampling_callback=_sampled,
                    list_roots_callback=_roots,
                ) as client,
            ):
                await act(client, (await client.list_tools()).tools)
        finally:
            if (log := folder / "vmcp.log").exists():
                print(log.read_text(errors="replace"), file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
