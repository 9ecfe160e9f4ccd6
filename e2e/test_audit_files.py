"""The audit log in a file of a pod, as a person declares it: rotated, on a full disk, on one that takes nothing."""

import json

import pytest

from e2e.support.clients import call, connected, until
from e2e.support.kube import condition
from e2e.support.manifests import HEALTH, group, server, vmcp

FOLDER = "/var/log/vmcp"
TINY = "64Ki"


def audited(name, volume, mount=None, **file):
    """An endpoint whose audit log is a file on a volume of its own."""
    container = {"name": "vmcp", "volumeMounts": [{"name": "audit", "mountPath": FOLDER, **(mount or {})}]}
    return vmcp(
        name,
        config={
            "operational": HEALTH,
            "audit": {"enabled": True, "sink": "file", "file": {"path": f"{FOLDER}/audit.log", **file}},
        },
        podTemplateSpec={"spec": {"volumes": [{"name": "audit", **volume}], "containers": [container]}},
    )


@pytest.fixture(scope="module")
def endpoints(kube):
    """One that rotates, one whose disk is small, one whose mount takes nothing."""
    memory = {"emptyDir": {"medium": "Memory", "sizeLimit": TINY}}
    kube.apply(
        group(),
        server("headers", "headers"),
        audited("rotates", {"emptyDir": {}}, maxBytes=65536, keep=2),
        audited("fills", memory),
        audited("readonly", {"emptyDir": {}}, {"readOnly": True}),
    )
    kube.until_phase("virtualmcpserver/rotates", "Ready")
    kube.until_phase("virtualmcpserver/fills", "Ready")


def told(kube, name):
    found = condition(kube.get(f"virtualmcpserver/{name}"), "AuditConfigured")
    return found["status"], found["reason"], found["message"]


def run(kube, name, program):
    """What a program of Python in the endpoint's pod prints as JSON."""
    command = ("exec", f"deployment/vmcp-{name}", "--container=vmcp", "--", "python3", "-c", program)
    return json.loads(kube.kubectl(*command))


LINES = f"""
import json, pathlib
files = sorted(pathlib.Path("{FOLDER}").glob("audit.log*"))
print(json.dumps({{file.name: [json.loads(line)["id"] for line in file.read_text().splitlines()] for file in files}}))
"""


async def calls(kube, name, count):
    url = kube.get(f"virtualmcpserver/{name}")["status"]["url"]
    async with connected(url) as (client, _):
        for _ in range(count):
            await call(client, "headers_whoami")


@pytest.mark.scenario("O-5")
async def test_a_file_on_a_volume_is_rotated_and_no_line_is_torn(kube, endpoints):
    await calls(kube, "rotates", 300)
    await until(lambda: sum(map(len, run(kube, "rotates", LINES).values())) >= 300)
    found = run(kube, "rotates", LINES)
    assert {"audit.log", "audit.log.1"} <= found.keys()
    ids = [each for lines in found.values() for each in lines]
    assert len(ids) == len(set(ids))
    assert told(kube, "rotates")[:2] == ("True", "Configured")


@pytest.mark.scenario("O-5")
async def test_a_full_disk_stops_no_call_is_told_and_costs_no_line(kube, endpoints):
    await calls(kube, "fills", 250)
    kube.until(
        "virtualmcpserver/fills", lambda live: condition(live, "AuditConfigured")["reason"] == "AuditSinkUnavailable"
    )
    status, _, message = told(kube, "fills")
    assert status == "False"
    assert f"{FOLDER}/audit.log: No space left on device" in message
    assert kube.get("virtualmcpserver/fills")["status"]["phase"] == "Ready"
    first = run(kube, "fills", LINES)["audit.log"]
    # A person makes room; what waited comes.
    rest = f"""
import json, pathlib
pathlib.Path("{FOLDER}/audit.log").unlink()
print(json.dumps(True))
"""
    run(kube, "fills", rest)
    kube.until("virtualmcpserver/fills", lambda live: condition(live, "AuditConfigured")["status"] == "True")
    await until(lambda: len(first) + len(run(kube, "fills", LINES)["audit.log"]) >= 250)


@pytest.mark.scenario("O-5", "K-23")
async def test_a_disk_that_takes_nothing_stops_no_pod_from_starting(kube, endpoints):
    kube.until_phase("virtualmcpserver/readonly", "Degraded")
    status, reason, message = told(kube, "readonly")
    assert (status, reason) == ("False", "AuditPathNotWritable")
    assert f"{FOLDER} is on no writable volume of the pods; mount one there in podTemplateSpec" in message
    await calls(kube, "readonly", 3)
