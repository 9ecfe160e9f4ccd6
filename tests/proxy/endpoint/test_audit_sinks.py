"""The sink of a whole proxy over its life: changed by an edit, lacking a Secret, and away while calls go on."""

import json
import logging
import socket
from dataclasses import replace

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.otlp import OtlpReceiver
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from tests.support.serving import load, running
from vmcp_api.pod_status import StoreReport
from vmcp_proxy.observability.audit import queue
from vmcp_proxy.run.settings import Settings
from vmcp_proxy.run.telemetry.audit import AuditOutput
from vmcp_proxy.sessions import Keyring

pytestmark = pytest.mark.scenario("O-4", "O-5")


def audited(**audit):
    return {**QUIET, "audit": {"enabled": True, "eventTypes": ["mcp_tool_call"], **audit}}


def numbers(lines):
    """The arguments of the calls that lines are about, in their order."""
    return [json.loads(line)["data"]["request"]["arguments"]["n"] for line in lines]


@pytest.fixture
def deaf():
    """The address of nobody; bound, as a free port may become somebody else's, who would take the lines."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


async def test_an_edit_takes_what_waits_to_another_sink_and_a_missing_secret_delays_it(
    tmp_path, caplog, monkeypatch, deaf
):
    monkeypatch.setattr(queue, "CLOSE_SECONDS", 0.1)
    path, collector = tmp_path / "audit.log", OtlpReceiver()
    sinks = {
        "file": {"sink": "file", "path": str(path)},
        "syslog": {"sink": "syslog", "syslog": {"address": deaf}},
        "otlp": {
            "sink": "otlp",
            "otlp": {
                **collector.endpoint,
                "sensitiveHeaders": [{"name": "X-Key", "secretKeyRef": {"name": "k", "key": "s"}}],
            },
        },
    }

    async with collector.running():
        sinks["otlp"]["otlp"] |= collector.endpoint
        configs = {name: audited(**sink, includeRequestData=True) for name, sink in sinks.items()}
        async with scene({"one": ScriptedBackend()}, config=configs["file"]) as world, world.session() as client:
            for number, name in enumerate(("file", "syslog", "otlp")):
                world.apply(config=configs[name])
                for each in range(3):
                    await client.call("one_echo", {"n": 3 * number + each})
            await eventually(lambda: path.exists() and len(path.read_text().splitlines()) == 3)
            values = await world.metrics()
            assert values["vmcp_audit_waiting"] == 6
            assert values["vmcp_audit_dropped_total"] == 0
            assert "audit sink cannot be used; events wait" in caplog.text
            # The Secret comes; the syslog server never does, so its lines go to the collector too.
            world.proxy.apply(load(world.config, {("k", "s"): "value"}))
            await client.call("one_echo", {"n": 9})
            await eventually(lambda: len(collector.records) == 7)
            assert (await world.metrics())["vmcp_audit_dropped_total"] == 0
    assert numbers(path.read_text().splitlines()) == [0, 1, 2]
    assert numbers(record.body.string_value for record in collector.records) == list(range(3, 10))
    assert {each.headers["x-key"] for each in collector.asked} == {b"value"}
    resource = {pair.key for pair in collector.logs[0].resource_logs[0].resource.attributes}
    assert {"service.name", "service.namespace", "service.instance.id"} <= resource


async def test_a_pod_whose_audit_file_cannot_be_opened_serves_says_so_and_catches_up(tmp_path):
    folder = tmp_path / "volume"
    settings = Settings(port=0, admin_port=0, handles_signals=False, needs_keys=True)
    loaded = load({"config": audited(sink="file", path=str(folder / "audit.log"))})
    async with running(replace(loaded, keyring=Keyring.random()), settings=settings) as proxy:
        assert proxy.status().audit == StoreReport("unavailable", f"{folder}/audit.log: No such file or directory")
        async with RawClient(f"http://127.0.0.1:{proxy.mcp_port}/mcp") as client:
            await client.open()
            await client.request("tools/call", {"name": "none", "arguments": {}})
        folder.mkdir()
        await eventually(lambda: (folder / "audit.log").exists() and bool((folder / "audit.log").read_text()))
        await eventually(lambda: proxy.status().audit == StoreReport())
    # A person on this machine is told of a mistyped path before anybody is served.
    with pytest.raises(FileNotFoundError):
        AuditOutput(logging.getLogger("test")).auditor_for(
            load({"config": audited(sink="file", path=str(tmp_path / "none" / "a"))})
        )
