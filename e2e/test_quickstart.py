"""From nothing to an answer: charts installed, the example applied, a client's call through the Service."""

import pytest

from e2e.support.clients import call, connected, tool_names
from e2e.support.installation import ROOT
from e2e.support.kube import condition

EXAMPLE = ROOT / "examples/kubernetes/quickstart.yaml"


@pytest.fixture(scope="module")
def endpoint(kube):
    """The example as a user applies it; the servers behind it are played by ours."""
    kube.kubectl("apply", f"--filename={EXAMPLE}")
    return kube.until_phase("virtualmcpserver/quickstart", "Ready")


@pytest.mark.scenario("K-1")
def test_kubectl_get_shows_a_ready_endpoint_with_its_url_backends_and_tools(kube, endpoint):
    header, row = kube.kubectl("get", "vmcp").splitlines()
    assert header.split() == ["NAME", "PHASE", "URL", "BACKENDS", "TOOLS", "READY", "AGE"]
    url = f"http://vmcp-quickstart.{kube.namespace}.svc:4483/mcp"
    assert row.split()[:6] == ["quickstart", "Ready", url, "2/2", str(endpoint["status"]["toolCount"]), "True"]
    assert endpoint["status"]["toolCount"] > 0


@pytest.mark.scenario("K-1")
def test_every_kind_shows_its_state_in_kubectl_get(kube, endpoint):
    kube.until_phase("mcpgroup/quickstart", "Ready")
    for name in ("fetch", "yardstick"):
        kube.until_phase(f"mcpserver/{name}", "Ready")
    shown = {line.split()[0] for line in kube.kubectl("get", "mcp", "--no-headers").splitlines() if line.strip()}
    assert {each.rpartition("/")[2] for each in shown} == {"quickstart", "fetch", "yardstick"}
    assert condition(endpoint, "ConfigLoaded")["status"] == "True"


@pytest.mark.scenario("K-1")
async def test_a_client_calls_a_tool_through_the_service(endpoint):
    async with connected(endpoint["status"]["url"]) as (client, _):
        names = await tool_names(client)
        assert len(names) == endpoint["status"]["toolCount"]
        assert {name.partition("_")[0] for name in names} == {"fetch", "yardstick"}
        assert await call(client, "fetch_add", a=2, b=40) == "42"
