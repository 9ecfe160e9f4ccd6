"""What `vmcp status` says of parts that serve on while something is wrong with them."""

import asyncio
import json

import pytest

from tests.proxy.cli.commands import call_vmcp
from tests.support.otlp import OtlpReceiver, accept, answers
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool
from tests.support.serving import admin_of
from vmcp_api.pod_status import (
    COMPOSITE_TOOLS,
    HYBRID,
    OPTIMIZER,
    RATE_LIMITING,
    STORE_OK,
    STORE_UNAVAILABLE,
    BackendReport,
    Counts,
    PodStatus,
    SearchReport,
    StoreReport,
    UnmatchedReport,
)
from vmcp_proxy.cli.endpoint.status import is_well, notes
from vmcp_proxy.observability.audit import queue

SECRET = "canary-collector-6c20"


@pytest.mark.scenario("O-4", "O-5")
async def test_an_audit_sink_that_is_away_is_told_with_what_waits_until_it_is_back(capsys, caplog, monkeypatch):
    monkeypatch.setattr(queue, "_AWAY_SECONDS", 0.0)
    monkeypatch.setattr(queue, "_LONGEST_PAUSE", 0.2)

    async def status(*more):
        return await asyncio.to_thread(call_vmcp, capsys, "status", admin_of(world.proxy), *more)

    async with OtlpReceiver(answers(401)).running() as collector:
        audit = {"enabled": True, "sink": "otlp", "otlp": collector.endpoint | {"headers": {"X-Key": SECRET}}}
        async with (
            scene({"one": ScriptedBackend()}, config={"audit": audit}) as world,
            world.session() as client,
        ):
            await client.call("one_echo")
            await eventually(lambda: world.proxy.status().audit.is_away)
            shown, document = await status(), await status("-o", "json")
            collector.act = accept
            await eventually(lambda: not world.proxy.status().audit.is_away)
            await eventually(lambda: len(collector.records) == 3)
            after = await status()
    assert (shown.code, after.code) == (1, 0), (shown.err, after.err)
    assert "audit log goes nowhere, lines wait: it answers 401" in shown.out
    assert "audit events: 3 wait, 0 are lost" in shown.out
    found = json.loads(document.out)
    assert found["audit"] == {"state": STORE_UNAVAILABLE, "message": "it answers 401"}
    assert (found["auditWaiting"], found["auditDropped"]) == (3, 0)
    assert "audit" not in after.out
    assert SECRET not in shown.out + document.out
    assert str(collector.port) not in shown.out + document.out
    (told,) = [each for each in caplog.records if each.getMessage() == "audit sink is away; events wait"]
    assert told.vmcp_fields["address"] == collector.url


@pytest.mark.scenario("O-5")
async def test_audit_events_that_the_sink_refuses_are_told_as_lost(capsys):
    async with OtlpReceiver(answers(400)).running() as collector:
        audit = {"enabled": True, "sink": "otlp", "otlp": collector.endpoint}
        async with scene({"one": ScriptedBackend()}, config={"audit": audit}) as world, world.session() as client:
            await client.call("one_echo")
            lost = world.inside.audit
            await eventually(lambda: lost.dropped == 3 and not lost.waiting)
            shown = await asyncio.to_thread(call_vmcp, capsys, "status", admin_of(world.proxy))
    assert "audit events: 0 wait, 3 are lost" in shown.out


def test_settings_that_match_nothing_are_named_with_what_to_do():
    unmatched = (
        UnmatchedReport("", RATE_LIMITING, "serach"),
        UnmatchedReport("gone", "workload", "gone"),
        UnmatchedReport("one", "filter", "ecoh"),
        UnmatchedReport("", COMPOSITE_TOOLS, "deploy: kubectl_aply"),
        UnmatchedReport("", OPTIMIZER, "notes_rad"),
    )
    status = PodStatus(backends=(BackendReport("one", "MCPServerEntry", "healthy"),), unmatched=unmatched)
    see = "write the name that clients see, or"
    assert notes(status) == [
        f"rateLimiting.tools limits nothing: no tool is called serach; {see} would see of a hidden one",
        "a setting matches nothing: no backend is called gone; correct it or remove it",
        "a setting matches nothing: filter of one: ecoh; correct it or remove it",
        f"a step of a composite tool calls what no backend serves: deploy: kubectl_aply; {see} workload.tool",
        "optimizer.alwaysVisible shows nothing: no tool is called notes_rad; write the name that clients see",
    ]
    # Everything that is there is served all the same.
    assert is_well(status)


@pytest.mark.parametrize("audit", [None, StoreReport(STORE_OK)])
def test_an_audit_that_works_needs_no_word(audit):
    status = PodStatus(backends=(BackendReport("one", "MCPServerEntry", "healthy"),), audit=audit)
    assert notes(status) == []
    assert is_well(status)


@pytest.mark.parametrize(
    ("search", "counts", "lines"),
    [
        (
            SearchReport(HYBRID),
            Counts(context_bytes=1_280_000, listed_context_bytes=2_100),
            ["tool search: lists have 2,100 bytes instead of 1,280,000; tools are ranked by words and vectors"],
        ),
        (
            SearchReport(),
            Counts(context_bytes=90_000, listed_context_bytes=2_100),
            ["tool search: lists have 2,100 bytes instead of 90,000; tools are ranked by words alone, without vectors"],
        ),
        (
            SearchReport(HYBRID),
            Counts(context_bytes=900),
            ["tool search: there are too few tools for it, so that all are listed"],
        ),
    ],
)
def test_what_lists_cost_with_tool_search_is_told_and_by_what_tools_are_ranked(search, counts, lines):
    status = PodStatus(backends=(BackendReport("one", "MCPServerEntry", "healthy"),), search=search, counts=counts)
    assert notes(status) == lines
    assert is_well(status)


def test_a_server_of_embeddings_that_is_away_is_not_all_well():
    search = SearchReport(HYBRID, StoreReport(STORE_UNAVAILABLE, "it answers 401"))
    status = PodStatus(backends=(BackendReport("one", "MCPServerEntry", "healthy"),), search=search)
    assert notes(status)[0] == "tools are ranked without the server of embeddings: it answers 401"
    assert not is_well(status)


@pytest.mark.scenario("T-1")
async def test_searches_are_counted_by_what_came_of_them_beside_what_lists_cost(capsys):
    async def status(*more):
        return await asyncio.to_thread(call_vmcp, capsys, "status", admin_of(world.proxy), *more)

    config = {"optimizer": {"threshold": 0}}
    backends = {"one": ScriptedBackend(tools=[tool("write_note"), tool("read_note")])}
    async with scene(backends, config=config) as world, world.session() as client:
        await client.names()
        before = await status()
        for query in ("write a note", "xylophone"):
            await client.call("find_tool", {"query": query})
        after, document = await status(), json.loads((await status("-o", "json")).out)
    assert "tool search: lists have " in before.out
    assert "searches for tools" not in before.out
    assert "searches for tools: 2 since the process began (1 found, 1 " in after.out
    assert sum(document["searches"].values()) == 2
    assert document["counts"]["listedContextBytes"] > 0
