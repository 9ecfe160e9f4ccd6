"""SIGHUP to a `vmcp serve` process: the end of its terminal, or what logrotate sends out of habit."""

import asyncio
import json
import os
import signal

from tests.proxy.cli.commands import endpoint, serving, write
from tests.support.raw_client import RawClient, eventually
from vmcp_proxy.cli.exits import Exit


def manifest(tmp_path, log):
    config = {"audit": {"enabled": True, "sink": "file", "file": {"path": str(log)}}}
    return write(tmp_path / "v.yaml", *endpoint(config=config))


def types(log):
    return [json.loads(line)["type"] for line in log.read_text().splitlines()] if log.exists() else []


async def test_without_a_terminal_it_ends_nothing_and_the_rotated_audit_file_is_begun_anew(tmp_path):
    log, former = tmp_path / "audit.log", tmp_path / "audit.log.1"
    async with serving("-f", manifest(tmp_path, log)) as served, RawClient(await served.url()) as client:
        await client.open()
        await eventually(lambda: "mcp_initialize" in types(log))
        log.rename(former)
        served.process.send_signal(signal.SIGHUP)
        assert await client.names() == []
        await eventually(lambda: "mcp_list" in types(log))
        assert "mcp_list" not in types(former)
        assert served.process.returncode is None
        served.process.terminate()
        async with asyncio.timeout(60):
            assert await served.process.wait() == Exit.OK


async def test_the_end_of_its_terminal_ends_it_in_order_with_every_audit_line_written(tmp_path):
    log = tmp_path / "audit.log"
    controller, terminal = os.openpty()
    try:
        async with (
            serving("-f", manifest(tmp_path, log), stdin=terminal) as served,
            RawClient(await served.url()) as client,
        ):
            await client.open()
            assert await client.names() == []
            served.process.send_signal(signal.SIGHUP)
            served.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(60):
                assert await served.process.wait() == Exit.OK
        assert {"mcp_initialize", "mcp_list"} <= set(types(log))
        assert any("endpoint has stopped" in line for line in served.lines)
    finally:
        os.close(controller)
        os.close(terminal)
