"""What is refused before a caller is known is audited, and a flood of it in few lines that count every one."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace

import pytest

from tests.proxy.serve.harness import LOCAL, TokenAuthenticator, call, eventually
from vmcp_proxy.observability.audit import REJECTED, EventFilter
from vmcp_proxy.serve.chain import refusal_audit
from vmcp_proxy.serve.chain.header_rules import OriginRule
from vmcp_proxy.serve.chain.refusal_audit import MOST_LINES, MOST_SOURCES
from vmcp_proxy.serve.chain.sources import parse_networks

pytestmark = pytest.mark.scenario("C-7", "O-1")
CANARY = "canary-51c2"


@pytest.mark.parametrize(
    ("headers", "status", "outcome"),
    [
        ({"host": f"{CANARY}.example"}, 421, "failure"),
        ({"origin": f"https://{CANARY}.example"}, 403, "denied"),
        ({"accept": "text/plain"}, 406, "failure"),
        ({"content-type": "text/plain"}, 415, "failure"),
        ({"mcp-session-id": "s", "mcp-protocol-version": CANARY}, 400, "failure"),
    ],
)
async def test_what_is_refused_by_its_headers_is_audited(world, headers, status, outcome):
    world.audited()
    async with world.serving(policy=replace(LOCAL, origins=OriginRule(loopback=True))):
        answer = await world.client.post("/mcp", content=call(), headers=headers)
    assert answer.status_code == status
    (event,) = world.sink.events
    assert (event["type"], event["status"], event["outcome"]) == (REJECTED, status, outcome)
    assert (event["rejected_by"], event["subject"], event["source"]) == ("header_validation", None, "127.0.0.1")
    assert CANARY not in str(world.sink.lines)


async def test_a_body_that_is_declared_too_large_is_audited(world):
    world.audited()
    async with world.serving():
        answer = await world.post(b"x" * (world.settings.policy.max_body + 1))
    assert answer.status_code == 413
    (event,) = world.sink.events
    assert (event["type"], event["status"], event["rejected_by"]) == (REJECTED, 413, "header_validation")


async def test_a_flood_of_refusals_takes_few_lines_which_count_every_one(world):
    world.audited(trusted_proxies=parse_networks(["127.0.0.1"]))
    many = MOST_SOURCES + 8
    async with world.serving(authenticator=TokenAuthenticator()):
        for number in range(MOST_LINES + 3 * many):
            answer = await world.post(x_forwarded_for=f"192.0.2.{number % many}")
            assert answer.status_code == 401
        await world.post(authorization="Bearer x", x_forwarded_for="192.0.2.1")
        assert len(world.sink.events) == MOST_LINES + 1
        world.services.refusals.end_period()
        # A new period has lines of its own again.
        await world.post(x_forwarded_for="192.0.2.7")
    *alone, served, last = [event for event in world.sink.events if "count" not in event]
    sums = [event for event in world.sink.events if "count" in event]
    assert (len(alone), served["outcome"], last["status"]) == (MOST_LINES, "success", 401)
    assert {(each["type"], each["status"], each["rejected_by"]) for each in sums} == {(REJECTED, 401, "authentication")}
    assert len(sums) == MOST_SOURCES + 1
    assert all(each["since"] <= each["time"] for each in sums)
    of_sources = Counter({each["source"]: each["count"] for each in sums})
    assert of_sources.pop(None) == 3 * (many - MOST_SOURCES)
    assert set(of_sources.values()) == {3}
    assert len({each["id"] for each in world.sink.events}) == len(world.sink.events)


async def test_sums_are_written_in_time_and_at_the_end_without_another_refusal(world, monkeypatch):
    monkeypatch.setattr(refusal_audit, "PERIOD", 0.05)
    monkeypatch.setattr(refusal_audit, "MOST_LINES", 1)
    world.audited()
    async with world.serving(authenticator=TokenAuthenticator()):
        running = asyncio.create_task(world.services.refusals.run())
        await asyncio.gather(*(world.post() for _ in range(5)))
        await eventually(lambda: sum(event.get("count", 1) for event in world.sink.events) == 5)
        monkeypatch.setattr(refusal_audit, "PERIOD", 3600.0)
        await asyncio.gather(*(world.post() for _ in range(5)))
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert sum(event.get("count", 1) for event in world.sink.events) == 10


async def test_refusals_that_are_filtered_out_are_not_summed_either(world):
    world.audited(filter=EventFilter(excluded=frozenset({REJECTED})))
    async with world.serving(authenticator=TokenAuthenticator()):
        await world.post()
        await world.post(host="a.example", origin="https://b.example")
        world.services.refusals.end_period()
    assert world.sink.lines == []
