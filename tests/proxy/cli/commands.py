"""Runs `vmcp` as a user does: as a process of its own, or, where only words matter, in this one."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import forked
from vmcp_proxy.cli.main import main

SECONDS = 120.0
"""A ceiling, for a machine that has better things to do: commands start interpreters, and those start others."""
EXAMPLE = [sys.executable, "-m", "vmcp_proxy.cli.example_server"]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def run_vmcp(*arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """A `vmcp` process from start to end."""
    return Ended(*forked.run(*arguments, seconds=SECONDS, env=os.environ | dict(env or {})))


def call_vmcp(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """The same within this process: only for what serves nothing."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    captured = capsys.readouterr()
    return Ended(int(exit_.value.code or 0), captured.out, captured.err)


@dataclass
class Serving:
    """A `vmcp serve` process and what it has said on stderr so far."""

    process: asyncio.subprocess.Process | forked.Running
    lines: list[str] = field(default_factory=list)
    said: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def line(self, *parts: str, after: int = 0) -> str:
        """The first line, from number `after` on, that holds all the parts; waits for it."""
        async with asyncio.timeout(SECONDS), self.said:
            while True:
                for line in self.lines[after:]:
                    if all(part in line for part in parts):
                        return line
                assert not self.ended, f"it ended without saying {parts}:\n" + "\n".join(self.lines)
                await self.said.wait()

    ended: bool = False

    async def url(self) -> str:
        """The endpoint, once it listens."""
        found = re.search(r"url=(\S+)", await self.line("endpoint is ready"))
        assert found is not None
        return found[1]

    async def status_url(self) -> str:
        found = re.search(r"status=(\S+)", await self.line("endpoint is ready"))
        assert found is not None
        return found[1]

    async def read(self) -> None:
        assert self.process.stderr is not None
        while raw := await self.process.stderr.readline():
            async with self.said:
                self.lines.append(raw.decode().rstrip("\n"))
                self.said.notify_all()
        async with self.said:
            self.ended = True
            self.said.notify_all()


_SERVE = ("serve", "--port", "0", "--admin-port", "0")


@contextlib.asynccontextmanager
async def serving(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: int = forked.DEVNULL, verb: str = "serve"
) -> AsyncIterator[Serving]:
    """`vmcp serve`, or another verb that serves, on free ports for the length of a block."""
    async with (
        forked.running(verb, *_SERVE[1:], *arguments, stdin=stdin, env=os.environ | dict(env or {})) as process,
        _served(process) as served,
    ):
        yield served


@contextlib.asynccontextmanager
async def newly_serving(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Serving]:
    """The same as a shell starts it, with all imports to come: for what depends on them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vmcp_proxy", *_SERVE, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | dict(env or {}),
    )
    async with _served(process) as served:
        yield served


@contextlib.asynccontextmanager
async def _served(process: asyncio.subprocess.Process | forked.Running) -> AsyncIterator[Serving]:
    served = Serving(process)
    reader = asyncio.create_task(served.read())
    try:
        yield served
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(SECONDS):
            await process.wait()
            await reader


def server(name: str, command: Sequence[str] = EXAMPLE) -> dict[str, Any]:
    """An MCPServer that local mode runs as a program; by default the small example server."""
    return {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPServer",
        "metadata": {"name": name, "annotations": {"vmcp.dev/local-command": json.dumps(list(command))}},
        "spec": {"image": "x", "transport": "stdio", "groupRef": {"name": "g"}},
    }


def endpoint(name: str = "v", **spec: Any) -> list[dict[str, Any]]:
    """A VirtualMCPServer with its group."""
    return [
        {
            "apiVersion": "vmcp.dev/v1beta1",
            "kind": "VirtualMCPServer",
            "metadata": {"name": name},
            "spec": {"groupRef": {"name": "g"}, "incomingAuth": {"type": "anonymous"}, **spec},
        },
        {"apiVersion": "vmcp.dev/v1beta1", "kind": "MCPGroup", "metadata": {"name": "g"}, "spec": {}},
    ]


def as_yaml(*documents: Mapping[str, Any]) -> str:
    """Documents as a file holds them: JSON is YAML."""
    return "".join(f"---\n{json.dumps(document)}\n" for document in documents)


def write(path: Path, *documents: Mapping[str, Any]) -> str:
    """Writes a manifest in place; its path as an argument."""
    path.write_text(as_yaml(*documents), encoding="utf-8")
    return str(path)


def replace(path: Path, *documents: Mapping[str, Any]) -> None:
    """Writes a manifest as careful editors do: beside it, then renamed over it."""
    beside = path.with_name(f".{path.name}.new")
    write(beside, *documents)
    beside.replace(path)
