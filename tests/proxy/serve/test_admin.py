"""The admin port answers what operators ask, the MCP port answers none of it."""

import contextlib
from dataclasses import replace

import httpx2
import pytest

from tests.proxy.serve.harness import NothingToExplain, call
from vmcp_api.pod_status import BackendReport, PodStatus, to_document
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.serve.apps.admin import Readiness, build_admin_app
from vmcp_proxy.serve.chain.header_rules import HostRule

OPERATIONAL = ("/healthz", "/readyz", "/status", "/metrics", "/docs", "/openapi.json", "/redoc", "/")


class Source:
    """A proxy's state as a test wants it."""

    def __init__(self):
        self.reasons = ()
        self.state = PodStatus(config_hash="h", backends=(BackendReport("a", "MCPServer", "healthy"),))

    def readiness(self):
        return Readiness(not self.reasons, self.reasons)

    def status(self):
        return self.state


@pytest.fixture
def source():
    return Source()


@pytest.fixture
async def admin(source):
    async with contextlib.AsyncExitStack() as stack:
        transport = httpx2.ASGITransport(build_admin_app(source, Metrics(), NothingToExplain(), HostRule()))
        yield await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://admin"))


@pytest.mark.scenario("C-6")
async def test_the_admin_port_has_health_readiness_status_metrics_explanations_and_nothing_else(admin):
    found = {path: (await admin.get(path)).status_code for path in OPERATIONAL}
    assert [path for path, status in found.items() if status == 200] == [
        "/healthz",
        "/readyz",
        "/status",
        "/metrics",
    ]
    assert (await admin.post("/status")).status_code == 405
    assert (await admin.get("/explain")).json() == {"names": []}
    assert (await admin.put("/explain")).status_code == 405
    assert (await admin.post("/mcp")).status_code == 404


@pytest.mark.scenario("C-5", "C-6")
@pytest.mark.parametrize("path", [*OPERATIONAL, "/nowhere"])
async def test_an_admin_port_of_this_machine_shows_nothing_to_a_page_that_was_rebound_to_it(source, path):
    transport = httpx2.ASGITransport(build_admin_app(source, Metrics(), NothingToExplain(), HostRule(loopback=True)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:9090") as admin:
        expected = (await admin.get(path)).status_code
        for host in ("127.0.0.1:9090", "[::1]:9090", "LOCALHOST"):
            assert (await admin.get(path, headers={"host": host})).status_code == expected
        for hosts in (["rebound.example:9090"], ["10.0.0.7"], [""], ["localhost", "rebound.example"]):
            refused = await admin.get(path, headers=[("host", host) for host in hosts])
            assert refused.status_code == 421
            assert "localhost" in refused.json()["detail"]
            assert "rebound" not in refused.text


@pytest.mark.scenario("C-6")
@pytest.mark.parametrize("path", [*OPERATIONAL, "/mcp/status", "/MCP"])
async def test_nothing_operational_answers_on_the_mcp_port(world, path):
    async with world.serving():
        answer = await world.client.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == -32000


@pytest.mark.scenario("C-6")
async def test_well_known_paths_are_json_404_on_the_mcp_port(world):
    async with world.serving():
        for path in ("oauth-protected-resource", "oauth-protected-resource/mcp", "openid-configuration"):
            answer = await world.client.get(f"/.well-known/{path}")
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/json"
            assert answer.json()["id"] is None


async def test_the_endpoint_answers_without_a_redirect(world):
    async with world.serving():
        answer = await world.client.post("/mcp?x=1", content=call())
    assert answer.status_code == 200
    assert not answer.history


async def test_readiness_says_why_not(admin, source):
    assert (await admin.get("/readyz")).json() == {"ready": True, "reasons": []}
    source.reasons = ("draining",)
    answer = await admin.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["draining"]}
    assert (await admin.get("/healthz")).status_code == 200


async def test_a_status_that_did_not_change_is_not_sent_again(admin, source):
    first = await admin.get("/status")
    assert first.json() == to_document(source.state)
    tag = first.headers["etag"]
    source.state = replace(source.state)
    again = await admin.get("/status", headers={"if-none-match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    source.state = replace(source.state, config_hash="other")
    changed = await admin.get("/status", headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
