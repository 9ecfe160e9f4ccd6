"""Audit lines at a real rsyslog (`rsyslog` of Debian): as they were written, and all of them."""

import asyncio
import contextlib
import json
import os
import shutil

import pytest

from benchmarks.ports import free_port
from tests.proxy.observability.queueing import LOGGER, SECONDS, loss_line
from tests.proxy.observability.test_audit_syslog import line
from tests.support.raw_client import eventually
from vmcp_proxy.observability.audit.queue import AuditQueue
from vmcp_proxy.observability.audit.sinks.syslog import SyslogFormat, TcpSink, UdpSink

RSYSLOGD = os.environ.get("RSYSLOGD") or shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
"""Where root alone has `sbin` on its path, others find it all the same."""
MODULES = os.environ.get("RSYSLOG_MODULES", "")

pytestmark = pytest.mark.scenario("O-5")

CONF = """
module(load="imtcp")
module(load="imudp")
global(workDirectory="{folder}" maxMessageSize="128k")
template(name="line" type="string"
    string="%syslogfacility-text% %syslogseverity-text% %app-name% %msgid% %structured-data%|%msg:::drop-last-lf%\\n")
ruleset(name="audit") {{ action(type="omfile" file="{folder}/got" template="line" flushInterval="1") }}
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="audit")
input(type="imudp" port="{port}" address="127.0.0.1" ruleset="audit")
"""


@contextlib.asynccontextmanager
async def rsyslog(folder, port):
    conf = folder / "rsyslog.conf"
    conf.write_text(CONF.format(folder=folder, port=port))
    modules = ("-M", MODULES) if MODULES else ()
    command = (RSYSLOGD, "-n", "-i", str(folder / "pid"), "-f", str(conf), *modules)
    process = await asyncio.create_subprocess_exec(*command)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def test_rsyslog_has_every_line_as_it_was_written_across_a_restart(tmp_path):
    port = free_port()
    form = SyslogFormat.of(13, "vmcp")
    got = tmp_path / "got"

    def read():
        return got.read_text(encoding="utf-8").split("\n")[:-1] if got.exists() else []

    lines = [line(number, "denied" if number == 1 else "success", name="é\u2028") for number in range(2000)]
    queue = AuditQueue(TcpSink(("127.0.0.1", port), form), LOGGER, loss_line)
    async with rsyslog(tmp_path, port):
        for each in lines[:1000]:
            queue.write(each)
        await eventually(lambda: len(read()) == 1000)
    for each in lines[1000:]:
        queue.write(each)
    async with rsyslog(tmp_path, port):
        await eventually(lambda: len(read()) == 2000)
        await asyncio.to_thread(queue.close, SECONDS)
        heads, texts = zip(*(each.split("|", 1) for each in read()), strict=True)
        assert [json.loads(text) for text in texts] == [json.loads(each) for each in lines]
        assert heads[:2] == ("audit info vmcp mcp_tool_call -", "audit warning vmcp mcp_tool_call -")
        udp = AuditQueue(UdpSink(("127.0.0.1", port), form), LOGGER, loss_line)
        udp.write(line(2000))
        await asyncio.to_thread(udp.close, SECONDS)
        await eventually(lambda: len(read()) == 2001)
