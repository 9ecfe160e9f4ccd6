"""What programs that wait make of statuses: kstatus of cli-utils, and Argo CD's engine with the script of our docs."""

import copy
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.cluster.gobuild import GoProgram, go_build
from e2e.support.screen import on_screen
from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL, AUTH_CONFIGS, GROUP, SERVER, VMCP
from vmcp_api.pod_status import BackendReport
from vmcp_operator.plan.kinds import DEPLOYMENT, MCP_GROUP, OIDC_CONFIG, POD, Ref
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = re.compile(r"```lua\n(?P<text>.*?)```", re.DOTALL)
FILES = Ref(SERVER_KIND, "default", "files")
IDP = Ref(OIDC_CONFIG, "default", "idp")
NO_IMAGE = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "True"}],
    "containerStatuses": [{"name": "mcp", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}],
}


@pytest.fixture(scope="module")
def judged(request, tmp_path_factory):
    """Asks both libraries about objects."""
    program = tmp_path_factory.mktemp("kstatus") / "kstatus"
    with on_screen(request.config):
        go_build(GoProgram(ROOT / "e2e" / "kstatus", "kstatus"), program)
    script = SCRIPT.search((ROOT / "docs/how-to/gitops.md").read_text(encoding="utf-8"))["text"]

    def ask(manifest):
        question = json.dumps({"objects": [manifest], "script": script})
        done = subprocess.run([program], input=question, capture_output=True, text=True, check=True, timeout=60)
        [answer] = json.loads(done.stdout)
        return answer["kstatus"], answer["argo"], answer["message"]

    return ask


async def looked_at(story, key, *, late=False):
    if late:
        await story.reconcile(key)
        story.passes(300)
    await story.reconcile(key)
    return copy.deepcopy(story.cluster.objects[key])


async def ready():
    story = await serving()
    return await looked_at(story, ONE)


async def not_seen():
    story = await serving()
    story.cluster.edit(ONE, lambda each: each["spec"].update(passthroughHeaders=["X-A"]))
    return copy.deepcopy(story.cluster.objects[ONE])


async def rolling():
    story = await serving()
    story.cluster.edit(ONE, lambda each: each["spec"].update(passthroughHeaders=["X-A"]))
    return await looked_at(story, ONE)


async def first_pods():
    return await looked_at(Story(ALL), ONE)


async def invalid():
    story = await serving()
    story.cluster.edit(ONE, lambda each: each["spec"].update(passthroughHeaders=["Host"]))
    return await looked_at(story, ONE)


async def group_missing_for_long():
    return await looked_at(Story(VMCP), ONE, late=True)


async def one_backend_down():
    return await with_backends("healthy", "unhealthy")


async def no_backend():
    return await with_backends("unhealthy", "unhealthy")


async def with_backends(*health):
    story = await serving()
    reports = zip(("files", "docs"), health, strict=True)
    backends = tuple(BackendReport(name, "MCPServer", state, message="refused") for name, state in reports)
    story.run_pod(ONE, report=replace(healthy(story), backends=backends))
    return await looked_at(story, ONE, late=True)


async def scaled_to_zero():
    story = await serving()
    story.cluster.edit(ONE, lambda each: each["spec"].update(replicas=0))
    await story.reconcile(ONE)
    deployment = story.live(DEPLOYMENT, "vmcp-one")
    deployment["status"] |= {"observedGeneration": deployment["metadata"]["generation"], "replicas": 0}
    story.cluster.remove(Ref(POD, "default", "pod-1"))
    return await looked_at(story, ONE)


async def server_without_image():
    story = Story(SERVER + GROUP)
    await story.reconcile(FILES)
    story.run_pod(FILES, **NO_IMAGE)
    return await looked_at(story, FILES)


async def empty_group():
    return await looked_at(Story(GROUP), Ref(MCP_GROUP, "default", "tools"))


async def valid_settings():
    return await looked_at(Story(AUTH_CONFIGS), IDP)


async def invalid_settings():
    story = Story(AUTH_CONFIGS)
    story.cluster.edit(IDP, lambda each: each["spec"]["inline"].update(issuer="no url"))
    return await looked_at(story, IDP)


@pytest.mark.scenario("K-26")
@pytest.mark.parametrize(
    ("build", "kstatus", "argo"),
    [
        (ready, "Current", "Healthy"),
        (not_seen, "InProgress", "Progressing"),
        (rolling, "InProgress", "Progressing"),
        (first_pods, "InProgress", "Progressing"),
        (invalid, "Failed", "Degraded"),
        (group_missing_for_long, "Failed", "Degraded"),
        (one_backend_down, "Current", "Degraded"),
        (no_backend, "InProgress", "Degraded"),
        (scaled_to_zero, "InProgress", "Suspended"),
        (server_without_image, "Failed", "Degraded"),
        (empty_group, "Current", "Healthy"),
        (valid_settings, "Current", "Healthy"),
        (invalid_settings, "Failed", "Degraded"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_programs_that_wait_take_a_status_for_what_it_is(judged, build, kstatus, argo):
    manifest = await build()
    found = judged(manifest)
    assert found[:2] == (kstatus, argo), (found, manifest["status"])
    # What is wrong is told wherever people look.
    assert found[2] or argo == "Healthy"
