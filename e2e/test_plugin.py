"""`kubectl vmcp` as a plugin of the real kubectl, on the cluster that the tests have."""

import json

import pytest

from e2e.support.clients import call, connected
from e2e.support.kube import condition
from e2e.support.manifests import entry, group, server, vmcp
from e2e.support.plugin import plugin_in


@pytest.fixture(scope="module")
def plugin(kube):
    return plugin_in(kube)


@pytest.fixture(scope="module")
def endpoint(kube):
    """An endpoint with a server that works and an entry that cannot be reached."""
    absent = f"http://mcp-absent.{kube.namespace}.svc:8080/mcp"
    kube.apply(group(), server("sums"), entry("remote", absent), vmcp("mixed"))
    kube.until_phase("virtualmcpserver/mixed", "Degraded")
    return kube.until("virtualmcpserver/mixed", lambda live: live["status"]["backendSummary"] == "1/2")


def serves_as_written(live):
    holds = all(condition(live, name)["status"] == "True" for name in ("Ready", "ConfigLoaded", "BackendsReady"))
    return holds and live["status"]["backendSummary"] == "1/1"


@pytest.mark.scenario("K-28")
def test_the_doctor_names_the_backend_that_is_in_the_way_and_then_nothing(kube, plugin, endpoint):
    done = plugin("doctor", "mixed")
    assert done.returncode == 1, done.stderr
    assert f"VirtualMCPServer {kube.namespace}/mixed: Degraded" in done.stdout
    assert " 1. [limits it] MCPServerEntry remote:" in done.stdout
    kube.delete("mcpserverentry/remote")
    # The status is written some moments after its last change, and the doctor tells of what it says.
    kube.until("virtualmcpserver/mixed", serves_as_written)
    done = plugin("doctor", "mixed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing to mend" in done.stdout


@pytest.mark.scenario("K-28")
def test_the_doctor_follows_a_server_to_the_image_that_it_cannot_pull(kube, plugin, endpoint):
    kube.apply(server("broken", image="registry.invalid/none:1"))
    kube.until_phase("mcpserver/broken", "Failed")
    done = plugin("doctor", "mixed")
    assert done.returncode == 1, done.stderr
    assert "MCPServer broken: ImagePullFailed" in done.stdout
    assert "correct the image or the pull secret" in done.stdout
    kube.delete("mcpserver/broken")
    kube.until("virtualmcpserver/mixed", lambda live: "broken" not in json.dumps(live["status"].get("backends")))


@pytest.mark.scenario("K-28")
async def test_status_tools_explain_and_logs_tell_of_the_endpoint(kube, plugin, endpoint):
    assert f"{kube.namespace}  mixed" in plugin("status").stdout
    tools = plugin("tools", "mixed", "-o", "json")
    assert tools.returncode == 0, tools.stderr
    assert "sums_add" in {each["name"] for each in json.loads(tools.stdout)}
    explained = plugin("explain", "mixed", "sums_add")
    assert explained.returncode == 0, explained.stderr
    assert explained.stdout.startswith("tool sums_add for anonymous: allowed")
    assert '"logger"' in plugin("logs", "mixed").stdout
    assert '"' in plugin("logs", "--operator", "--tail=5").stdout


@pytest.mark.scenario("K-28")
async def test_top_shows_what_goes_to_each_backend(kube, plugin, endpoint):
    async with connected(endpoint["status"]["url"]) as (client, _):
        assert await call(client, "sums_add", a=1, b=1) == "2"
        done = plugin("top", "mixed", "--seconds", "0.5", "-o", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["pods"], document["sessions"]) == (1, 1)
    assert "sums" in {each["name"] for each in document["backends"]}
