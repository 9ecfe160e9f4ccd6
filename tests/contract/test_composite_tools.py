"""Workflows as ToolHive's documentation teaches them, between an SDK server and the SDK's client, through the proxy."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client, types
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError

from tests.support.eras import MODERN
from tests.support.scene import operational, scene
from tests.support.serving import http_backend, serve

WORKFLOWS = yaml.safe_load((Path(__file__).parent / "workflows.yaml").read_text())
AGGREGATION = {"tools": [{"workload": "data", "excludeAll": True}]}


def echo(message: str) -> str:
    return message


def upper(text: str) -> str:
    return text.upper()


def fail() -> str:
    raise ValueError("as asked")


def check(name: str, version: str) -> str:
    if name == "bad":
        raise ValueError("cannot be checked")
    return f"{name} {version}"


def fetch(url: str) -> dict[str, Any]:
    return {"status": 200, "body": f"page of {url}"}


def add(a: int, b: int) -> int:
    return a + b


def total(numbers: list[int]) -> int:
    return sum(numbers)


def store(key: str, value: str) -> dict[str, Any]:
    return {"stored": {key: value}}


def user(name: str) -> dict[str, Any]:
    return {"name": name, "wants": {"slack": name == "ada", "email": name != "ada"}, "tags": ["x"]}


def packages(image: str) -> dict[str, Any]:
    return {"packages": [{"name": name, "version": f"{image}-1"} for name in ("good", "bad", "better")]}


def scale(name: str, replicas: int) -> dict[str, Any]:
    return {"name": name, "replicas": replicas}


def judge(rate: float, strict: bool) -> dict[str, Any]:
    return {"good": strict and rate > 0.9}


def desk() -> MCPServer:
    """A server with the tools of the workflows: some give texts, some structured results."""
    server = MCPServer("data")
    attempts: dict[str, int] = {}

    @server.tool()
    def flaky(key: str) -> dict[str, Any]:
        attempts[key] = attempts.get(key, 0) + 1
        if attempts[key] < 3:
            raise ValueError("not yet")
        return {"attempts": attempts[key]}

    for each in (echo, upper, fail, check):
        server.add_tool(each, structured_output=False)
    for each in (fetch, add, total, store, user, packages, scale, judge):
        server.add_tool(each)
    return server


def answering(answers: list[Any]):
    """A person who gives these answers one after the other."""

    async def answer(_context, _params) -> types.ElicitResult:
        said = answers.pop(0)
        return (
            types.ElicitResult(action=said)
            if isinstance(said, str)
            else types.ElicitResult(action="accept", content=said)
        )

    return answer


@pytest.mark.scenario("W-1", "W-2", "W-3", "W-4", "W-5", "W-6", "W-7", "H-1")
@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_workflows_written_for_toolhive_run_between_an_sdk_server_and_an_sdk_client(mode):
    config = {"aggregation": AGGREGATION, **operational(timeouts={"list": "10s"})}
    tools = list({each["tool"]["name"]: each["tool"] for each in WORKFLOWS}.values())
    assert len(tools) >= 20
    async with (
        serve(desk().streamable_http_app()) as port,
        scene({}, extra=(http_backend("data", port),), config={**config, "compositeTools": tools}) as world,
    ):
        async with Client(world.url, mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {tool["name"] for tool in tools}
        for case in WORKFLOWS:
            person = answering(list(case.get("answers", [])))
            async with Client(world.url, mode=mode, elicitation_callback=person) as client:
                await check_case(client, case)


async def check_case(client: Client, case: dict[str, Any]) -> None:
    name = case["tool"]["name"]
    try:
        result = await client.call_tool(name, case.get("arguments", {}))
    except MCPError as error:
        came = {"refused": str(error)}
    else:
        text = result.content[0].text
        came = {"fails": text} if result.is_error else {"says": text, "comes": result.structured_content}
    for key in ("comes", "says"):
        assert key not in case or came.get(key) == case[key], (name, came)
    for key in ("fails", "refused"):
        assert key not in case or case[key] in came.get(key, ""), (name, came)
