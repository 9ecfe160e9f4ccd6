"""What `vmcp serve` says of names, entries, lists and credentials while real backends serve."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.cli.commands import endpoint, replace, serving, write
from tests.support.plain_http import http_client
from tests.support.scripted_backend import ScriptedBackend, Status, tool


def remote(name: str, url: str) -> dict[str, Any]:
    """A server that listens already."""
    return {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPServer",
        "metadata": {"name": name, "annotations": {"vmcp.dev/local-url": url}},
        "spec": {"image": "x", "transport": "streamable-http", "groupRef": {"name": "g"}},
    }


def aggregated(**settings: Any) -> list[dict[str, Any]]:
    return endpoint(config={"aggregation": settings})


def count(lines: list[str], event: str) -> int:
    return sum(event in line for line in lines)


@contextlib.asynccontextmanager
async def backends(*scripted: ScriptedBackend):
    """The backends as manifests: `alpha`, `beta`."""
    async with contextlib.AsyncExitStack() as stack:
        for each in scripted:
            await stack.enter_async_context(each.running())
        names = ("alpha", "beta")[: len(scripted)]
        yield [remote(name, f"http://127.0.0.1:{each.port}/mcp") for name, each in zip(names, scripted, strict=True)]


@pytest.mark.scenario("A-3")
async def test_conflicts_and_dropped_entries_are_told_and_a_filter_that_hides_the_winner_too(tmp_path: Path):
    file = tmp_path / "v.yaml"
    alpha = ScriptedBackend(tools=[tool("echo"), tool("a"), {"name": "bad"}])
    order = {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["alpha"]}}
    hides = {**order, "tools": [{"workload": "alpha", "filter": ["a"]}]}
    async with backends(alpha, ScriptedBackend(tools=[tool("echo"), tool("b")])) as members:
        write(file, *aggregated(conflictResolution="manual"), *members)
        async with serving("-f", str(file), "--log-format", "json") as served:
            line = json.loads(await served.line("a name is served by nobody", '"echo"'))
            assert (line["level"], line["claimed_by"]) == ("warning", ["alpha", "beta"])
            line = json.loads(await served.line("an entry is not served", '"bad"'))
            assert line["backend"] == "alpha"
            known = len(served.lines)
            replace(file, *aggregated(**order), *members)
            line = json.loads(await served.line("a name is claimed twice", after=known))
            assert (line["served_by"], line["lost_by"]) == ("alpha", ["beta"])
            known = len(served.lines)
            replace(file, *aggregated(**hides), *members)
            line = json.loads(await served.line("a name is served by nobody", after=known))
            assert line["claimed_by"] == ["alpha", "beta"]
            async with http_client() as http:
                ready = json.loads(await served.line("endpoint is ready"))
                (conflict,) = (await http.get(ready["status"])).json()["conflicts"]
            assert conflict == {"kind": "tool", "name": "echo", "winner": None, "losers": ["alpha", "beta"]}
        # Neither edit is news of the backends themselves.
        assert count(served.lines, "an entry is not served") == 1
        assert count(served.lines, "backend is up") == 2
        assert count(served.lines, "lists changed") == 0


async def test_a_list_without_an_end_is_a_warning(tmp_path: Path):
    file = tmp_path / "v.yaml"
    endless = ScriptedBackend()

    @endless.on("tools/list")
    async def tools(_: Any) -> dict[str, Any]:
        return {"tools": [tool("echo")], "nextCursor": "same"}

    async with backends(endless) as members:
        write(file, *endpoint(), *members)
        async with serving("-f", str(file)) as served:
            line = await served.line("backend is incomplete", "name=alpha")
    assert "warning" in line
    assert "its nextCursor repeats" in line


@pytest.mark.parametrize("status", [401, 403])
async def test_a_backend_that_refuses_the_credentials_points_at_where_they_are_set(tmp_path: Path, status: int):
    file = tmp_path / "v.yaml"
    closed = ScriptedBackend()

    @closed.on("initialize")
    async def initialize(_: Any) -> dict[str, Any]:
        raise Status(status)

    async with backends(closed) as members:
        write(file, *endpoint(), *members)
        async with serving("-f", str(file)) as served:
            assert "headerForward" in await served.line("backend is unauthenticated", "name=alpha")


async def test_a_host_name_that_does_not_resolve_points_at_the_name(tmp_path: Path):
    file = write(tmp_path / "v.yaml", *endpoint(), remote("alpha", "http://nowhere.invalid/mcp"))
    async with serving("-f", file) as served:
        assert "check the host name" in await served.line("backend is unhealthy", "name=alpha")


async def test_the_end_is_told(tmp_path: Path):
    async with backends(ScriptedBackend()) as members:
        file = write(tmp_path / "v.yaml", *endpoint(), *members)
        async with serving("-f", file) as served:
            await served.line("backend is up")
            served.process.terminate()
            await served.line("endpoint has stopped")
            assert await served.process.wait() == 0
