"""`vmcp bridge`: one process behind an attachment, served to many clients."""

import asyncio
import contextlib
import json
import logging
import ssl
import sys
from pathlib import Path

import httpx2
import pytest
import trustme

from tests.support import stdio_server
from tests.support.attach_server import AttachServer
from tests.support.eras import Era
from tests.support.inside import Inside
from tests.support.raw_client import WAIT_SECONDS, RawClient, eventually
from tests.support.serving import admin_of, running, url_of
from vmcp_proxy.cli.bridge.config import BridgeSource
from vmcp_proxy.run.proxy import Proxy
from vmcp_proxy.run.settings import Settings

PROGRAM = (sys.executable, stdio_server.__file__)
MODERN_PROGRAM = Path(stdio_server.__file__).with_name("modern_program.py")


@contextlib.asynccontextmanager
async def bridging(server: AttachServer, folder: Path, ca: str | None = None):
    """A bridge to the pod of that server."""
    place = server.pod(folder, ca)
    settings = Settings(port=0, admin_port=0, is_local=False, handles_signals=False, attaches_to=place)
    async with running(BridgeSource("one", "ns").load().loaded, settings=settings) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def bridged(tmp_path, *arguments: str):
    """A bridge to our own server, once it is ready: the API server, the bridge, and its URL."""
    async with AttachServer((*PROGRAM, *arguments)).running() as server, bridging(server, tmp_path) as proxy:
        await ready(proxy)
        yield server, proxy, url_of(proxy)


async def ready(proxy: Proxy) -> None:
    await eventually(lambda: not Inside(proxy).unready)


def text(result) -> str:
    return result["content"][0]["text"]


@pytest.mark.scenario("K-18")
async def test_clients_hear_what_the_process_says_of_itself(tmp_path):
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client:
        hello = await client.open()
        assert hello["serverInfo"] == {"name": "behind-the-bridge", "version": "4.7.11"}
        assert hello["instructions"] == "Ask me anything."
        assert set(hello["capabilities"]) == {"tools", "resources"}
        assert hello["capabilities"]["resources"]["subscribe"] is True
        assert set(await client.names()) == set(stdio_server.TOOLS)
        assert await client.names("resources") == ["note://one"]


@pytest.mark.scenario("K-18", "P-2", "P-3")
async def test_a_process_that_knows_no_sessions_serves_clients_of_both_eras(tmp_path, both_eras):
    program = (sys.executable, str(MODERN_PROGRAM), "modern")
    async with (
        AttachServer(program).running() as server,
        bridging(server, tmp_path) as proxy,
        RawClient(url_of(proxy)) as client,
        RawClient(url_of(proxy)) as other,
    ):
        await ready(proxy)
        for each in (client, other):
            await each.open({"roots": {}})
            assert await each.names() == ["new"]
        said = json.loads(text(await client.call("new")))
        assert said["declared"] == {"roots": {}}
        assert json.loads(text(await other.call("new")))["pid"] == said["pid"]
        assert len(server.processes) == 1
        async with httpx2.AsyncClient(trust_env=False) as http:
            [described] = (await http.get(f"{admin_of(proxy)}/status")).json()["backends"]
        assert (described["revision"], described["status"]) == ("2026-07-28", "healthy")


@pytest.mark.scenario("K-18", "P-2")
async def test_a_process_that_ends_for_initialize_is_asked_for_the_other_protocol_the_next_time(tmp_path):
    program = (sys.executable, str(MODERN_PROGRAM), "ends")
    async with AttachServer(program).running() as server, bridging(server, tmp_path) as proxy:
        await ready(proxy)
        async with RawClient(url_of(proxy)) as client:
            await client.open()
            assert await client.names() == ["new"]
        assert len(server.processes) == 2


@pytest.mark.scenario("K-18", "P-2")
async def test_what_such_a_process_asks_reaches_the_client_and_its_answer_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)
    program = (sys.executable, str(MODERN_PROGRAM), "modern")
    async with (
        AttachServer(program).running() as server,
        bridging(server, tmp_path) as proxy,
        RawClient(url_of(proxy)) as client,
    ):
        await ready(proxy)
        await client.open({"elicitation": {}})
        asked = await client.call("new", {"ask": True})
        assert asked["inputRequests"] == {"name": {"method": "elicitation/create", "params": {"message": "?"}}}
        answers = {"inputResponses": {"name": {"action": "decline"}}, "requestState": asked["requestState"]}
        done = await client.call("new", {"ask": True}, **answers)
        assert json.loads(text(done))["replies"] == {"name": {"action": "decline"}}


@pytest.mark.scenario("K-18")
async def test_many_clients_at_once_never_meet(tmp_path):
    async with bridged(tmp_path) as (server, _, url):

        async def use(number: int) -> None:
            async with RawClient(url) as client:
                await client.open({"sampling": {}} if number % 2 else {})
                for turn in range(5):
                    said = f"{number}/{turn}"
                    arguments = {"text": said, "after": ((number * 7 + turn) % 5) / 200}
                    assert text(await client.call("echo", arguments)) == said
                    # The same token from everybody: each hears of its own call alone.
                    token = {"progressToken": "the same"}
                    assert text(await client.call("progress", arguments, _meta=token)) == said
                    heard = [each["params"] for each in client.said]
                    assert {each["message"] for each in heard} <= {said}
                    assert {each["progressToken"] for each in heard} <= {"the same"}
                    client.said.clear()

        async with asyncio.TaskGroup() as group:
            for number in range(24):
                group.create_task(use(number))
        assert len(server.processes) == 1


@pytest.mark.scenario("K-18")
async def test_the_process_is_initialised_once_and_what_it_asks_is_refused(tmp_path):
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client, RawClient(url) as other:
        await client.open({"sampling": {}, "elicitation": {}, "roots": {}})
        await other.open()
        assert json.loads(text(await client.call("ask"))) == [-32601, -32601, -32601, "answered"]
        assert json.loads(text(await client.call("pid")))[1] == json.loads(text(await other.call("pid")))[1] == 1


@pytest.mark.scenario("K-18")
async def test_a_change_of_its_lists_and_resources_is_heard_by_all(tmp_path):
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client, RawClient(url) as other:
        for each in (client, other):
            await each.open()
            await each.result("resources/subscribe", {"uri": "note://one"})
        async with client.listening() as first, other.listening() as second:
            await client.call("grow", {"name": "later"})
            for stream in (first, second):
                await stream.until("notifications/tools/list_changed")
                await stream.until("notifications/resources/updated")
        assert "later" in await other.names()


@pytest.mark.scenario("K-18")
async def test_a_client_that_unsubscribes_takes_nothing_from_another(tmp_path):
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client, RawClient(url) as other:
        for each in (client, other):
            await each.open()
            await each.result("resources/subscribe", {"uri": "note://one"})
        assert await client.result("resources/unsubscribe", {"uri": "note://one"}) == {}
        async with other.listening() as stream:
            await client.call("grow", {"name": "later"})
            await stream.until("notifications/resources/updated")
        assert json.loads(text(await other.call("subscribed"))) == ["note://one"]


@pytest.mark.scenario("K-18")
async def test_a_subscription_ends_with_the_last_client_that_has_it_however_often_it_was_asked_for(tmp_path):
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client, RawClient(url) as other:
        await client.open()
        await other.open()
        for each in (client, client, other):
            await each.result("resources/subscribe", {"uri": "note://one"})
        await client.result("resources/unsubscribe", {"uri": "note://one"})
        assert json.loads(text(await other.call("subscribed"))) == ["note://one"]
        await other.delete()
        async with asyncio.timeout(WAIT_SECONDS):
            while json.loads(text(await client.call("subscribed"))):  # noqa: ASYNC110 - the process tells nobody
                await asyncio.sleep(0.01)


@pytest.mark.scenario("K-18")
async def test_pages_may_be_shown_and_nothing_may_be_asked_of_clients(tmp_path):
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client:
        await client.open({"sampling": {}, "roots": {}})
        ui = {"mimeTypes": ["text/html;profile=mcp-app"]}
        declared = json.loads(text(await client.call("declared")))
        assert declared == {"extensions": {"io.modelcontextprotocol/ui": ui}}


@pytest.mark.scenario("K-18")
async def test_a_call_is_cancelled_at_the_process_by_the_id_that_it_has_there(tmp_path):
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client:
        await client.open()
        params = {"name": "progress", "arguments": {"text": "late", "after": 60}, "_meta": {"progressToken": 1}}
        async with client.posting("tools/call", params) as stream:
            await stream.until("notifications/progress")
            told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
            assert (await client.post(told)).status_code == 202
        async with asyncio.timeout(WAIT_SECONDS):
            while text(await client.call("cancelled")) != "[true]":  # noqa: ASYNC110 - the process tells nobody
                await asyncio.sleep(0.01)


@pytest.mark.scenario("K-18")
async def test_a_call_in_flight_when_the_process_dies_is_told_so_and_never_sent_again(tmp_path):
    async with bridged(tmp_path) as (server, _, url), RawClient(url) as client, RawClient(url) as other:
        await client.open()
        await other.open()
        waiting = asyncio.create_task(other.request("tools/call", {"name": "echo", "arguments": {"after": 60}}))
        died = await client.request("tools/call", {"name": "die", "arguments": {}})
        for answer in (died, await waiting):
            assert "whether it did what was asked is not known" in json.dumps(answer)
        # Sessions go on, with another process, which was asked nothing of what was lost.
        for each in (client, other):
            assert json.loads(text(await each.call("pid")))[1] == 1
        assert len(server.processes) == 2


@pytest.mark.scenario("K-18")
async def test_sessions_survive_a_broken_attachment_and_hear_that_lists_may_have_changed(tmp_path):
    async with bridged(tmp_path) as (server, proxy, url), RawClient(url) as client:
        await client.open()
        async with client.listening() as stream:
            await client.call("grow", {"name": "later"})
            await stream.until("notifications/tools/list_changed")
            assert "later" in await client.names()
            await server.cut()
            await stream.until("notifications/tools/list_changed", 2)
        assert set(await client.names()) == set(stdio_server.TOOLS)
        assert text(await client.call("echo", {"text": "still here"})) == "still here"
        await ready(proxy)


@pytest.mark.scenario("K-18")
async def test_the_bridge_is_ready_while_the_process_is_initialised(tmp_path):
    server = AttachServer(PROGRAM)
    server.is_away = True
    async with server.running(), bridging(server, tmp_path) as proxy:
        ready_url = f"{admin_of(proxy)}/readyz"
        async with httpx2.AsyncClient() as http:
            await eventually(lambda: "not found" in str(Inside(proxy).unready))
            assert (await http.get(ready_url)).status_code == 503
            server.is_away = False
            await ready(proxy)
            assert (await http.get(ready_url)).status_code == 200
            server.is_away = True
            await server.cut()
            await eventually(lambda: "not found" in str(Inside(proxy).unready))


async def test_more_requests_than_may_wait_are_refused_and_those_that_wait_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.backends.attached.session.MOST_OPEN", 3)
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client:
        await client.open()
        arguments = {"text": "late", "after": 3}
        waiting = [asyncio.create_task(client.call("echo", arguments)) for _ in range(8)]
        answers = [text(await each) for each in waiting]
        assert any("takes no more requests" in answer for answer in answers)
        assert "late" in answers
        assert text(await client.call("echo", {"text": "next"})) == "next"


async def test_garbage_on_its_standard_output_harms_nobody(tmp_path):
    async with bridged(tmp_path) as (server, _, url), RawClient(url) as client:
        await client.open()
        assert text(await client.call("garbage")) == "said"
        assert text(await client.call("echo", {"text": "fine"})) == "fine"
        assert len(server.processes) == 1


async def test_large_answers_pass_and_one_above_the_limit_ends_the_attachment(tmp_path):
    async with bridged(tmp_path) as (server, _, url), RawClient(url) as client:
        await client.open()
        assert len(text(await client.call("huge", {"size": 5 << 20}))) == 5 << 20
        answer = await client.request("tools/call", {"name": "huge", "arguments": {"size": 65 << 20}})
        assert "larger than the limit" in json.dumps(answer)
        assert text(await client.call("echo", {"text": "again"})) == "again"
        assert len(server.processes) == 2


async def test_large_requests_reach_the_process_whole(tmp_path):
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client:
        await client.open()
        sent = "y" * (3 << 20)
        assert text(await client.call("echo", {"text": sent})) == sent


async def test_a_flood_on_standard_error_is_bounded_in_the_log_and_holds_up_nothing(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "vmcp.backends")
    async with bridged(tmp_path) as (_, _, url), RawClient(url) as client:
        await client.open()
        assert text(await client.call("flood", {"lines": 5000})) == "flooded"
        await eventually(lambda: "program said" in caplog.text)
        said = [record for record in caplog.records if record.message.startswith("program said")]
        assert len(said) < 500
        assert "canary" not in caplog.text


async def test_a_process_that_goes_on_after_its_input_has_ended_is_replaced(tmp_path):
    async with bridged(tmp_path, "stays") as (server, proxy, url), RawClient(url) as client:
        await client.open()
        Inside(proxy).backend("one")._hello = 0.5
        await server.cut()
        await eventually(lambda: server.deleted == 1)
        assert text(await client.call("echo", {"text": "a new one"})) == "a new one"


async def test_clients_of_two_bridges_that_are_attached_together_never_get_each_others_answers(tmp_path):
    async with bridged(tmp_path) as (server, _, url), bridging(server, tmp_path) as second:
        await ready(second)
        assert len(server.processes) == 1

        async def use(of: str, number: int) -> None:
            async with RawClient(of) as client:
                await client.open()
                for turn in range(20):
                    said = f"{of}/{number}/{turn}"
                    assert text(await client.call("echo", {"text": said, "after": turn % 3 / 500})) == said

        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(use(url, number))
                group.create_task(use(url_of(second), number))


async def test_a_program_that_speaks_no_mcp_is_told_to_the_operator(tmp_path):
    silent = (sys.executable, "-c", "import sys; print('Listening!', flush=True); sys.stdin.read()")
    async with AttachServer(silent).running() as server, bridging(server, tmp_path) as proxy:
        status = f"{admin_of(proxy)}/status"
        await eventually(lambda: "has not answered initialize yet" in str(Inside(proxy).unready))
        async with httpx2.AsyncClient() as http:
            assert "speak MCP on standard input" in (await http.get(status)).json()["lack"]
        Inside(proxy).backend("one")._hello = 0.2
        await server.cut()
        await eventually(lambda: "within 0 s" in str(Inside(proxy).unready))
        assert server.deleted


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_both_subprotocols_are_spoken(tmp_path, protocol):
    async with AttachServer(PROGRAM, protocols=(protocol,)).running() as server, bridging(server, tmp_path) as proxy:
        await ready(proxy)
        assert server.spoken == [protocol]


async def test_a_refused_token_is_told_without_it_and_read_again(tmp_path, caplog):
    server = AttachServer(PROGRAM)
    server.token = "another-4712"
    async with server.running(), bridging(server, tmp_path) as proxy:
        await eventually(lambda: "is forbidden" in str(Inside(proxy).unready))
        (tmp_path / "token").write_text("another-4712")
        await ready(proxy)
    assert "4711" not in caplog.text
    assert "4712" not in caplog.text


async def test_the_api_server_is_spoken_to_by_tls_and_must_show_a_certificate_of_the_clusters_authority(tmp_path):
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with AttachServer(
        PROGRAM,
    ).running(context) as server:
        trusted = authority.cert_pem.bytes().decode()
        async with bridging(server, tmp_path, other.cert_pem.bytes().decode()) as proxy:
            await eventually(lambda: "SSLCertVerificationError" in str(Inside(proxy).unready))
            (tmp_path / "ca.crt").write_text(trusted)
            await ready(proxy)
            assert await proxy.settings.attaches_to.replace() == ""
            assert server.deleted == 1


@pytest.mark.scenario("K-18")
async def test_a_server_from_the_package_index_is_served(tmp_path):
    command = (sys.executable, "-m", "mcp_server_time", "--local-timezone", "Etc/UTC")
    async with AttachServer(command).running() as server, bridging(server, tmp_path) as proxy:
        await ready(proxy)
        async with RawClient(url_of(proxy)) as client:
            hello = await client.open()
            assert hello["serverInfo"]["name"] == "mcp-time"
            assert "Etc/UTC" in text(await client.call("get_current_time", {"timezone": "Etc/UTC"}))
            # Whoever attaches again finds another process: the SDK's server ends with its input.
            await server.cut()
            await eventually(lambda: len(server.processes) == 2)
            assert "Etc/UTC" in text(await client.call("get_current_time", {"timezone": "Etc/UTC"}))
