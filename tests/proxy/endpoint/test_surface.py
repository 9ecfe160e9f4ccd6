"""The whole proxy by its HTTP surface: order of refusals, crashes, ports, and the admission seam."""

import asyncio
from dataclasses import replace

import pytest

from tests.support.plain_http import http_client
from tests.support.policies import NamePolicy
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, tool
from tests.support.serving import admin_of
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_proxy.core.policy.questions import Action
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.run.settings import Settings

CLUSTER = Settings(port=0, admin_port=0, handles_signals=False, is_local=False)

DENIED_CALLS = 'mcp_server_operation_duration_seconds_count{error_type="denied",mcp_method_name="tools/call"}'


@pytest.mark.scenario("C-1")
async def test_faults_are_answered_from_the_outermost_layer_inwards():
    limits = operational(limits={"requestBody": 1024})
    async with scene({"one": ScriptedBackend()}, config=limits) as world, world.client() as client:
        faults = {
            "host": ("evil.example", 421),
            "origin": ("https://evil.example", 403),
            "accept": ("text/html", 406),
            "content_type": ("text/plain", 415),
            "mcp_protocol_version": ("2025-01-01", 400),
        }
        headers = {name: value for name, (value, _) in faults.items()}
        body = b"{" + b" " * 2000
        for name, (_, status) in faults.items():
            if name == "mcp_protocol_version":
                assert (await client.post(body, **headers)).status_code == 413
                body = b"{"
            assert (await client.post(body, **headers)).status_code == status, name
            del headers[name]
        answer = await client.post(b"{")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)
        assert (await client.post(b"[]")).json()["error"]["code"] == -32600
        assert (await client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 400
        client.session = "v1.0.forged"
        assert (await client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 404
        metrics = await world.metrics()
        assert metrics['vmcp_http_rejected_total{layer="header_validation",status="421"}'] == 1
        assert metrics['vmcp_http_rejected_total{layer="mcp_parsing",status="400"}'] == 2


@pytest.mark.scenario("C-5", "C-6")
async def test_an_admin_port_checks_host_where_only_this_machine_reaches_it_and_not_where_probes_come_by_pod_ip():
    for settings, status in ((None, 421), (CLUSTER, 421), (replace(CLUSTER, admin_host="0.0.0.0"), 200)):
        async with scene({}, settings=settings) as world, http_client() as http:
            for path in ("/status", "/metrics", "/readyz"):
                answer = await http.get(admin_of(world.proxy) + path, headers={"host": "10.1.2.3:9090"})
                assert answer.status_code == status, (settings, path)
                assert (await http.get(admin_of(world.proxy) + path)).status_code == 200


@pytest.mark.scenario("C-1")
async def test_optional_layers_are_there_only_when_configured(tmp_path):
    async with scene({}) as world:
        names = world.inside.layers
        assert "audit" not in names
        audit = {"enabled": True, "sink": "file", "path": str(tmp_path / "a")}
        world.apply(config={"audit": audit})
        live = world.inside.layers
        assert live == (*names[:5], "audit", "backend_enrichment", *names[5:])
        world.apply(config={})
        assert world.inside.layers == names


@pytest.mark.scenario("C-2")
@pytest.mark.parametrize("place", ["endpoint", "handshake", "requests", "get_stream", "sessions"])
async def test_a_crash_anywhere_is_an_answer_without_detail_and_the_next_request_is_fine(place):
    backend = ScriptedBackend()
    async with scene({"one": backend}) as world, world.session() as client:

        async def crash(*_, **__):
            raise RuntimeError("inner detail")

        def crash_now(*_, **__):
            raise RuntimeError("inner detail")

        message = {"jsonrpc": "2.0", "id": "x", "method": "tools/call", "params": {"name": "one_echo"}}
        if place == "handshake":
            message = {"jsonrpc": "2.0", "id": "x", "method": "initialize"}
        with world.inside.replaced(place, crash_now if place == "sessions" else crash):
            if place == "get_stream":
                answer = await client.send("GET", accept="text/event-stream")
            else:
                answer = await client.post(message)
        # To a request of a session it is an answer (ADR-0050).
        assert answer.status_code == (500 if place == "get_stream" else 200)
        error = answer.json()["error"]
        assert (error["code"], error["message"], list(error["data"])) == (-32603, "Internal error", ["requestId"])
        assert "inner" not in answer.text
        assert (await client.call("one_echo"))["content"]


@pytest.mark.scenario("C-6")
async def test_nothing_operational_answers_on_the_mcp_port_and_the_admin_port_has_it_all():
    async with scene({"one": ScriptedBackend()}) as world, http_client() as http:
        root = world.url.removesuffix("/mcp")
        for path in ("/", "/healthz", "/readyz", "/status", "/metrics", "/docs", "/openapi.json", "/mcp/x"):
            answer = await http.get(root + path)
            assert answer.status_code == 404, path
            assert answer.json()["error"]
        assert (await http.get(root + "/.well-known/oauth-protected-resource")).status_code == 404
        for path in ("/healthz", "/readyz", "/status", "/metrics"):
            assert (await http.get(admin_of(world.proxy) + path)).status_code == 200
        assert (await http.post(admin_of(world.proxy) + "/mcp")).status_code == 404


@pytest.mark.scenario("C-4")
async def test_odd_json_is_refused_or_relayed_as_it_is():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def echo(call):
        return {"content": [], "structuredContent": call.params["arguments"]}

    async with scene({"one": backend}) as world, world.session() as client:
        start = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one_echo","arguments":{"x":'
        for odd in (b"NaN", b"Infinity", b'"\\ud8"', b"[" * 5000, b'"\xff"', b"01", b"'a'"):
            assert (await client.post(start + odd + b"}}}")).status_code == 400, odd
        for fine in (
            b'"\\ud800 \\uDE00"',
            b"9223372036854775808",
            b"1e400",
            b"-0",
            b"1.000000000000000000001",
            b'{"a":1,"a":2}',
        ):
            answer = await client.post(start + fine + b"}}}")
            assert answer.status_code == 200
            heard = backend.calls("tools/call")[-1]
            assert heard.message["params"]["name"] == "echo"


@pytest.mark.scenario("C-5")
async def test_a_cluster_takes_any_host_but_only_listed_origins_and_answers_their_preflights():
    async with (
        scene({}, settings=CLUSTER, allowedOrigins=["http://localhost:6274"]) as world,
        world.client() as client,
    ):
        assert (await client.post(b"{}", host="anything.svc")).status_code == 400
        assert (await client.post(b"{}", origin="https://evil.example")).status_code == 403
        preflight = await client.send(
            "OPTIONS",
            origin="http://localhost:6274",
            access_control_request_method="POST",
            access_control_request_headers="mcp-session-id,x-api-key",
        )
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "http://localhost:6274"
        assert preflight.headers["access-control-allow-headers"] == "mcp-session-id,x-api-key"
        named = await client.post(b"{}", origin="http://localhost:6274")
        assert "Mcp-Session-Id" in named.headers["access-control-expose-headers"]


class Rules(NamePolicy):
    """Admits what stands in `allowed`, by action and name; a template is listed if anything below it may be read."""

    def __init__(self, *allowed):
        self.allowed = set(allowed)
        self.asked = []
        self.version = "1"

    def admits(self, identity, action, capability, name):
        self.asked.append((action, name, capability is not None))
        if capability is not None and capability.kind is Kind.TEMPLATE and name == capability.exposed:
            return any(each[0] is action and each[1].startswith(name.split("{")[0]) for each in self.allowed)
        return (action, name) in self.allowed


def guarded() -> ScriptedBackend:
    return ScriptedBackend(
        tools=[tool("open"), tool("closed")],
        resources=[{"uri": "test://open", "name": "o"}, {"uri": "test://closed", "name": "c"}],
        templates=[{"uriTemplate": "test://t/{id}", "name": "t"}, {"uriTemplate": "test://u/{id}", "name": "u"}],
        prompts=[{"name": "open"}, {"name": "closed"}],
    )


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("C-9", "Z-2")
async def test_what_a_list_hides_is_refused_by_call_with_one_text_and_what_it_shows_can_be_called():
    rules = Rules(
        (Action.CALL_TOOL, "one_open"),
        (Action.READ_RESOURCE, "test://open"),
        (Action.READ_RESOURCE, "test://t/1"),
        (Action.GET_PROMPT, "one_open"),
    )
    backend = guarded()
    async with scene({"one": backend}, admitter=rules) as world, world.session() as client:
        assert await client.names() == ["one_open"]
        assert await client.names("resources") == ["test://open"]
        assert await client.names("resourceTemplates") == ["test://t/{id}"]
        assert await client.names("prompts") == ["one_open"]
        await client.call("one_open")
        await client.result("resources/read", {"uri": "test://open"})
        await client.result("resources/read", {"uri": "test://t/1"})
        await client.result("prompts/get", {"name": "one_open"})
        heard = len(backend.heard)
        denied = set()
        for method, params in (
            ("tools/call", {"name": "one_closed"}),
            ("tools/call", {"name": "one_none"}),
            ("tools/call", {"name": "open"}),
            ("resources/read", {"uri": "test://closed"}),
            ("resources/read", {"uri": "test://none"}),
            ("resources/read", {"uri": "test://t/2"}),
            ("resources/read", {"uri": "test://u/1"}),
            ("prompts/get", {"name": "one_closed"}),
            ("prompts/get", {"name": "none"}),
            ("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_closed"}}),
            ("completion/complete", {"ref": {"type": "ref/resource", "uri": "test://u/{id}"}}),
            ("completion/complete", {"ref": {"type": "ref/resource", "uri": "one_open"}}),
        ):
            message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            answer = await client.post(message)
            assert answer.status_code == 200, message
            denied.add(answer.content)
        assert denied == {b'{"jsonrpc":"2.0","id":1,"error":{"code":403,"message":"Forbidden."}}'}
        assert [each for each in backend.heard[heard:] if each.method != "ping"] == []
        metrics = await world.metrics()
        assert metrics[DENIED_CALLS] == 3


@pytest.mark.scenario("Z-4")
async def test_a_new_policy_holds_for_running_sessions():
    rules = Rules((Action.CALL_TOOL, "one_open"))
    async with scene({"one": guarded()}, admitter=rules) as world, world.session() as client:
        assert await client.names() == ["one_open"]
        rules.allowed = {(Action.CALL_TOOL, "one_closed")}
        rules.version = "2"
        assert await client.names() == ["one_closed"]
        assert (
            await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_open"}})
        ).json()["error"]["code"] == 403
        assert (await client.call("one_closed"))["content"]


async def test_a_denial_after_a_comment_is_an_event_on_the_stream_that_has_begun():
    slow = ScriptedBackend()
    hold = asyncio.Event()

    config = operational(keepAliveInterval="100ms", timeouts={"list": "2s"})
    async with scene({"one": slow}, admitter=Rules(), config=config) as world, world.session() as client:

        @slow.on("tools/list")
        async def hang(call):
            await hold.wait()
            return {"tools": []}

        world.inside.invalidate_lists("one")
        answer = await client.request("tools/call", {"name": "one_new"})
        assert answer["error"] == {"code": 403, "message": "Forbidden."}
        hold.set()


@pytest.mark.scenario("K-6")
async def test_a_config_that_cannot_be_used_leaves_the_last_good_one_in_force():
    async with scene({"one": ScriptedBackend()}) as world, world.session() as client:
        good = (await world.status())["configHash"]
        world.proxy.refuse(Problems.of(Problem("no such backend", loc=("backends", 0))))
        status = await world.status()
        assert status["loadError"]["path"] == "backends[0]"
        assert status["configHash"] == good
        assert await client.names() == ["one_echo"]
        world.apply({})
        status = await world.status()
        assert status["loadError"] is None
        assert status["configHash"] != good
        assert await client.names() == []
