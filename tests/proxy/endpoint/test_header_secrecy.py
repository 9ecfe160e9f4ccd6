"""How long header snapshots live, and where their values must never stand."""

import io
import logging

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything, use_everything
from tests.proxy.sessions.reachable import remembered
from tests.support import heap
from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, Status
from vmcp_proxy.observability.logs import JsonFormatter

CANARY = "canary-7f3a91"


@pytest.mark.scenario("H-6")
async def test_there_are_as_many_snapshots_as_sessions_through_every_end():
    backend = everything()
    async with scene(
        {"one": backend},
        config=QUIET,
        passthroughHeaders=["X-Api-Key"],
        sessionManagement={"ttl": "1h", "maxSessionsPerPod": 5},
    ) as world:

        async def counts():
            values = await world.metrics()
            return values["vmcp_sessions"], values["vmcp_header_snapshots"]

        assert await counts() == (0, 0)
        clients = [world.client(x_api_key=f"v{number}") for number in range(5)]
        for number, client in enumerate(clients, 1):
            await client.open()
            await client.call("one_echo")
            assert await counts() == (number, number)
        surplus = world.client(x_api_key="v6")
        refused = await surplus.post(
            {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
        )
        assert refused.status_code == 503
        assert await counts() == (5, 5)
        await clients[0].delete()
        assert await counts() == (4, 4)

        @backend.on("DELETE")
        async def broken(call):
            raise Status(500)

        await clients[1].delete()
        assert await counts() == (3, 3)
        inside = world.inside
        world.apply(sessionManagement={"ttl": "1ms", "maxLifetime": "1ms"})
        await eventually(lambda: inside.sessions == 0)
        await eventually(lambda: inside.snapshots == 0)
        assert await counts() == (0, 0)
        for client in (*clients, surplus):
            await client.__aexit__()
    assert inside.snapshots == 0


@pytest.mark.scenario("H-6")
@pytest.mark.parametrize(
    "how", [lambda _: Status(503), lambda value: Refusal(-32000, f"who is {value}?")], ids=["status", "error"]
)
@pytest.mark.parametrize("broken", ["initialize", "tools/list", "tools/call", None])
async def test_nothing_in_the_process_holds_a_clients_headers_once_its_session_has_ended(broken, how):
    backend = everything()

    async def fail(call):
        if "x-api-key" in call.heard.headers:
            raise how(call.heard.headers["x-api-key"])
        return await ScriptedBackend().result_for(call)

    if broken is not None:
        backend.handlers[broken] = fail

    def held():
        """Values as they go out; frames of forgotten errors hold them as well."""
        return heap.held_with(CANARY.encode())

    async with scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:
        for number in range(3):
            async with world.session(x_api_key=f"{CANARY}-{number}") as client:
                await client.names()
                await client.request("tools/call", {"name": "one_echo"})
                assert number > 0 or held()
                await client.delete()
        # Only the proxy's own session is left at the backend; the search, which holds the loop, comes after.
        await eventually(lambda: len(backend.sessions) <= 1)
        assert (await world.metrics())["vmcp_header_snapshots"] == 0
        await eventually(lambda: not held())
        assert not remembered(CANARY.encode())


@pytest.mark.scenario("H-6")
async def test_a_registration_that_fails_leaves_no_snapshot():
    async with scene({"one": everything()}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:
        inside = world.inside

        async def crash(caller):
            raise RuntimeError(CANARY)

        with world.inside.replaced("view", crash):
            async with world.client(x_api_key=CANARY) as client:
                message = {
                    "jsonrpc": "2.0",
                    "id": 0,
                    "method": "initialize",
                    "params": {"protocolVersion": "2025-11-25"},
                }
                answer = await client.post(message)
        assert answer.status_code == 500
        assert CANARY not in answer.text
        assert (inside.sessions, inside.snapshots) == (0, 0)


@pytest.mark.scenario("H-7", "C-2", "C-7")
async def test_a_canary_value_stands_in_no_log_audit_metric_status_or_error(tmp_path):
    backend = everything()
    audit = tmp_path / "audit.log"
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    # The test's own client logs what it sends and gets.
    handler.addFilter(lambda record: not record.name.startswith(("httpx2", "httpcore2")))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    answers = []
    config = {**operational(logLevel="debug"), "audit": {"enabled": True, "sink": "file", "path": str(audit)}}
    try:
        async with scene(
            {"one": backend},
            config=config,
            passthroughHeaders=["X-Api-Key"],
            more={
                "one": {
                    "headerForward": {
                        "addHeadersFromSecret": [{"headerName": "X-S", "valueSecretRef": {"name": "s", "key": "k"}}]
                    }
                }
            },
            secrets={("s", "k"): CANARY},
        ) as world:
            async with world.session(x_api_key=CANARY, authorization=f"Bearer {CANARY}", cookie=CANARY) as client:
                await use_everything(client)
                session = client.session

                @backend.on("tools/call")
                async def broken(call):
                    raise Status(401)

                answers.append(str(await client.call("one_echo")))

                async def crash(*_, **__):
                    raise RuntimeError(f"crashed with {CANARY} in {session}")

                with world.inside.replaced("requests", crash):
                    crashed = await client.post(
                        {"jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": {"name": "x"}}
                    )
                assert (crashed.status_code, crashed.json()["error"]["code"]) == (200, -32603)
                error = crashed.json()["error"]
                assert (error["code"], error["message"]) == (-32603, "Internal error")
                assert error["data"]["requestId"] in log.getvalue()
                answers.append(crashed.text)
                assert await client.result("ping") == {}
                answers.append(await world.admin("/status"))
                answers.append(await world.admin("/metrics"))
                answers.append(await world.admin("/readyz"))
                answers.append(repr(world.inside.clients))
                answers.append(repr(world.inside.members))
            tokens = {heard.session for heard in backend.heard if heard.session}
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    answers += [log.getvalue(), audit.read_text()]
    assert "request crashed" in log.getvalue()
    assert '"backend":"one"' in audit.read_text()
    for shown in answers:
        for secret in (CANARY, session, *tokens):
            assert secret not in shown
