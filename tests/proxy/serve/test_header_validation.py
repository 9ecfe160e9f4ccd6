"""What the endpoint refuses by headers alone, on real connections."""

import pytest

from tests.proxy.serve.harness import CLUSTER, LOCAL, answer_empty, call, exchange
from vmcp_api.config import ProxyConfig
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS
from vmcp_proxy.serve.chain.header_validation import HeaderPolicy
from vmcp_proxy.serve.chain.refused_names import MOST_NAMES

CONFIG = ProxyConfig(name="demo", incoming_auth=IncomingAuth(type=IncomingAuthType.ANONYMOUS))


def policy(*, local: bool = False, **changes) -> HeaderPolicy:
    config = CONFIG.model_copy(update=changes)
    return HeaderPolicy.of(config, local=local, legacy_revisions=CLIENT_REVISIONS)


@pytest.mark.scenario("C-5")
async def test_local_mode_answers_to_names_of_this_machine_only(world):
    async with world.serving(policy=LOCAL):
        for host in ("localhost", "127.0.0.1:9999", "[::1]:1"):
            assert (await world.post(host=host)).status_code == 200
        answer = await world.post(host="rebound.example:4483")
        assert answer.status_code == 421
        assert "rebound" not in answer.text
        assert "localhost" in answer.json()["error"]["message"]
        assert "spec.allowedHosts" in answer.json()["error"]["message"]


@pytest.mark.scenario("C-5")
async def test_a_cluster_answers_to_port_forwards_and_service_names_unless_names_are_listed(world):
    names = ("localhost:8080", "vmcp-demo.team.svc.cluster.local:4483", "vmcp-demo")
    async with world.serving(policy=policy()):
        for host in names:
            assert (await world.post(host=host)).status_code == 200
        world.rebuild(policy=policy(allowed_hosts=("vmcp-demo",)))
        assert [(await world.post(host=host)).status_code for host in names] == [421, 421, 200]


@pytest.mark.scenario("C-5")
async def test_in_a_cluster_an_absent_origin_is_fine_and_a_present_one_must_be_listed(world):
    async with world.serving(policy=policy(allowed_origins=("https://app.example.com",))):
        assert (await world.post()).status_code == 200
        assert (await world.post(origin="http://localhost:6274")).status_code == 403
        answer = await world.post(origin="https://app.example.com")
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"


@pytest.mark.scenario("C-5")
async def test_a_refused_origin_learns_nothing_and_reaches_nobody(world):
    async def never(context):
        raise AssertionError

    world.dispatch = never
    async with world.serving(policy=LOCAL):
        answer = await world.post(origin="https://evil.example")
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "evil" not in answer.text
        assert "spec.allowedOrigins" in answer.json()["error"]["message"]
        assert "localhost" in answer.json()["error"]["message"]


@pytest.mark.scenario("C-5")
async def test_a_refusal_in_a_cluster_names_the_setting_that_would_allow_it(world):
    async with world.serving(policy=policy(allowed_hosts=("vmcp-demo",))):
        wrong_host = (await world.post(host="other")).json()["error"]["message"]
        wrong_origin = (await world.post(host="vmcp-demo", origin="https://a.example")).json()["error"]["message"]
    assert "spec.allowedHosts" in wrong_host
    assert "spec.allowedOrigins" in wrong_origin
    assert "local" not in wrong_host + wrong_origin


@pytest.mark.scenario("C-5")
async def test_a_refused_name_is_logged_once_clean_and_not_without_end(world):
    async with world.serving(policy=LOCAL):
        for _ in range(2):
            await world.post(host="Rebound.example:4483")
            await world.post(origin="https://evil.example")
            world.rebuild()
        first = world.log_lines
        await exchange(world.port, b"POST /mcp HTTP/1.1\r\nhost: a:canary@b\tc\xe4\r\nconnection: close\r\n\r\n")
        odd = world.log_lines[-1]
        for number in range(2 * MOST_NAMES):
            await world.post(host=f"h{number}.example")
    assert [(line["level"], line["name"], line["setting"]) for line in first] == [
        ("warning", "rebound.example:4483", "spec.allowedHosts"),
        ("warning", "https://evil.example", "spec.allowedOrigins"),
    ]
    assert odd["name"] == "b?c?"
    assert len(world.log_lines) == MOST_NAMES
    assert "canary" not in world.log.getvalue()


@pytest.mark.scenario("C-5")
async def test_the_inspector_in_a_browser_may_ask_first_and_then_read_the_session_id(world):
    async def with_session(context):
        await context.respond(200, b"{}", headers=((b"mcp-session-id", b"s"),))

    world.dispatch = with_session
    async with world.serving(policy=LOCAL):
        origin = "http://localhost:6274"
        asked = {
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,mcp-protocol-version,x-api-key",
        }
        preflight = await world.client.options("/mcp", headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == origin
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "DELETE" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == asked["access-control-request-headers"]
        answer = await world.post(origin=origin)
        assert "Mcp-Session-Id" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"


@pytest.mark.scenario("C-5")
async def test_a_preflight_of_a_foreign_origin_is_refused(world):
    async with world.serving(policy=LOCAL):
        answer = await world.client.options("/mcp", headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"accept": "application/json"}, 406),
        ("GET", {"accept": "*/*"}, 406),
        ("GET", {"accept": "text/event-stream"}, 202),
        ("DELETE", {"accept": "*/*"}, 202),
        ("PUT", {}, 405),
        ("PATCH", {}, 405),
        ("HEAD", {}, 405),
        ("POST", {"accept": "text/html"}, 406),
        ("POST", {"accept": "*/*"}, 200),
        ("POST", {"accept": "application/json"}, 200),
        ("POST", {"content-type": "text/plain"}, 415),
        ("POST", {"content-type": "application/json; charset=utf-8"}, 200),
        ("POST", {"mcp-protocol-version": "2025-11-25"}, 200),
        ("POST", {"mcp-protocol-version": "2025-01-01"}, 400),
        ("POST", {"mcp-protocol-version": "1999-01-01"}, 400),
        ("POST", {"mcp-protocol-version": "2026-07-28"}, 200),
        ("POST", {"mcp-protocol-version": "2099-01-01"}, 200),
        ("DELETE", {"mcp-protocol-version": "2025-01-01"}, 400),
    ],
)
@pytest.mark.scenario("C-3")
async def test_a_request_is_judged_by_method_and_headers(world, method, headers, status):
    async with world.serving(policy=CLUSTER):
        content = call() if method == "POST" else None
        answer = await world.client.request(method, "/mcp", headers=headers, content=content)
    assert answer.status_code == status
    if status == 405:
        assert answer.headers["allow"] == "GET, POST, DELETE, OPTIONS"
    if status >= 400 and method != "HEAD":
        assert answer.json()["error"]["message"]
        assert answer.json()["id"] is None


@pytest.mark.scenario("C-4")
async def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(world):
    head = (
        b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 99999999\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    )
    async with world.serving():
        answer = await exchange(world.port, head)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_the_first_of_two_equal_headers_counts(world):
    seen = []

    async def note(context):
        seen.append(context.header(b"x-twice"))
        await answer_empty(context)

    world.dispatch = note
    async with world.serving():
        await world.client.post("/mcp", content=call(), headers=[("x-twice", "1"), ("x-twice", "2")])
    assert seen == [b"1"]
