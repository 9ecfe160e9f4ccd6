"""What `vmcp doctor` says first where a stdio server of the group, or the bridge before it, is broken (ADR-0058)."""

from dataclasses import replace

import pytest

from tests.contract.test_broken_worlds import FILES, down, settled, up, waiting, world_of
from tests.operator.endpoints import ONE, healthy
from tests.operator.harness import SETTINGS, Story
from tests.operator.manifests import ALL
from tests.operator.test_stdio_servers import run_process, stdio
from vmcp_api.pod_status import BackendReport, PodStatus
from vmcp_proxy.cli.kube.diagnosis import diagnose, is_well

FORBIDDEN = (
    'the API server answers 403: pods "mcp-files-0" is forbidden: User "system:serviceaccount:default:mcp-files-bridge"'
    ' cannot create resource "pods/attach"'
)
SILENT = "its process has not answered initialize yet; its image has to speak MCP on standard input and output"
PROBING = [
    {"name": "vmcp", "ready": False, "started": True, "restartCount": 0, "state": {"running": {"startedAt": None}}}
]


async def with_bridge(lack: str = "", process: dict | None = None, **bridge) -> Story:
    """An endpoint of a stdio server and of an entry that is up; the bridge says what it lacks."""
    story = stdio(ALL)
    await story.reconcile(ONE)
    await story.reconcile(FILES)
    is_ready = not (lack or process or bridge)
    if not is_ready and not bridge:
        bridge = {"conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": PROBING}
    story.run_pod(FILES, "bridge-1", report=PodStatus(lack=lack or None), **bridge)
    run_process(story, **(process or {}))
    files = up() if is_ready else down("HTTP 503", "files", "MCPServer")
    story.run_pod(ONE, report=replace(healthy(story), backends=(files, up("docs", "MCPServerEntry"))))
    return await settled(story)


async def switched_off() -> Story:
    story = stdio(ALL, SETTINGS)
    await story.reconcile(ONE)
    withheld = BackendReport("files", "MCPServer", "withheld", reason="UnsupportedTransport", message="not enabled")
    story.run_pod(ONE, report=replace(healthy(story), backends=(withheld, up("docs", "MCPServerEntry"))))
    return await settled(story)


async def may_not_attach() -> Story:
    return await with_bridge(FORBIDDEN)


async def speaks_no_mcp() -> Story:
    return await with_bridge(SILENT)


async def bridge_without_image() -> Story:
    return await with_bridge(**waiting("vmcp", "ImagePullBackOff", "vmcp:1: not found"))


async def process_without_image() -> Story:
    return await with_bridge(SILENT, waiting("mcp", "ErrImagePull", "files:1: not found"))


async def process_crashes() -> Story:
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"exitCode": 2, "reason": "Error"}}
    status = {"name": "mcp", "state": state, "lastState": last, "restartCount": 7}
    return await with_bridge("its process ended", {"conditions": [], "containerStatuses": [status]})


BROKEN = (
    (switched_off, "UnsupportedTransport", "set stdio.enabled=true in the values of the operator's chart"),
    (may_not_attach, "BridgeNotReady", 'cannot create resource "pods/attach"'),
    (speaks_no_mcp, "BridgeNotReady", "its image has to speak MCP on standard input and output"),
    (bridge_without_image, "ImagePullFailed", "container 'vmcp' does not start: vmcp:1: not found"),
    (process_without_image, "ImagePullFailed", "container 'mcp' does not start: files:1: not found"),
    (process_crashes, "CrashLoop", "container 'mcp' ends again and again with exit code 2"),
)


@pytest.mark.scenario("K-28", "K-18")
@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each[0].__name__)
async def test_the_first_thing_to_mend_is_named(broken):
    build, reason, words = broken
    found = diagnose(world_of(await build()))
    assert (found[0].subject, found[0].reason) == ("MCPServer files", reason)
    assert words in found[0].message
    assert not is_well(found)
    assert len({(each.subject, each.reason) for each in found}) == len(found)


@pytest.mark.scenario("K-28", "K-18")
async def test_of_a_bridge_that_serves_there_is_nothing_to_mend():
    assert diagnose(world_of(await with_bridge())) == ()
