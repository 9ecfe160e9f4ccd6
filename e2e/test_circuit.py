"""The breaker of a backend as the resource shows it."""

import pytest

from e2e.support.clients import call, connected, tool_names
from e2e.support.kube import backend
from e2e.support.manifests import entry, group, server, vmcp

BREAKER = {"enabled": True, "failureThreshold": 2, "timeout": "5s"}
CONFIG = {"operational": {"failureHandling": {"healthCheckInterval": "1s", "circuitBreaker": BREAKER}}}
ENDPOINT = "virtualmcpserver/guarded"


@pytest.mark.scenario("B-8")
async def test_a_breaker_that_opens_and_closes_again_stands_in_the_status(kube):
    url = f"http://mcp-missing.{kube.namespace}.svc:8080/mcp"
    kube.apply(group("guarded"), server("steady", group="guarded"), entry("shaky", url, "guarded"))
    kube.apply(vmcp("guarded", "guarded", config=CONFIG))
    kube.until(ENDPOINT, lambda live: backend(live, "shaky").get("circuitState") == "open")
    live = kube.until(ENDPOINT, lambda live: backend(live, "steady").get("status") == "ready")
    assert backend(live, "steady")["circuitState"] == "closed"
    assert backend(live, "shaky")["status"] == "unavailable"
    assert live["status"]["phase"] == "Degraded"

    kube.apply(server("missing", group=None))
    live = kube.until_phase(ENDPOINT, "Ready")
    assert {each["circuitState"] for each in live["status"]["backends"]} == {"closed"}
    async with connected(live["status"]["url"]) as (client, _):
        assert "shaky_add" in await tool_names(client)
        assert await call(client, "shaky_add", a=1, b=2) == "3"
