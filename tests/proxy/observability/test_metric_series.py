"""Series by tool, by backend and by session: bounded, forgotten in time, and with examples of what was traced."""

from types import SimpleNamespace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from tests.proxy.serve.harness import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.metrics import Metrics, families
from vmcp_proxy.observability.metrics.backend_calls import MOST_TOOLS
from vmcp_proxy.observability.metrics.series import BUCKETS, Series
from vmcp_proxy.observability.metrics.snapshot import TOOL_BUCKETS

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def call(metrics, backend, tool, category=None, seconds=0.1):
    span = metrics.begin(SimpleNamespace(name=backend), SimpleNamespace(method="tools/call", name=tool))
    span.end(category, seconds)
    return span


def values_of(metrics, family):
    (found,) = [each.values for each in metrics.snapshot().measured() if each.family is family]
    return dict(found)


def calls_by_method(metrics):
    durations = values_of(metrics, families.BACKEND_OPERATIONS)
    return sum(seen.count for seen in durations.values())


@pytest.mark.scenario("C-8")
def test_tools_beyond_the_bound_count_as_other_and_none_is_lost():
    metrics = Metrics()
    for number in range(MOST_TOOLS + 50):
        call(metrics, "a", f"tool-{number}")
        metrics.on_tool_error("a", f"tool-{number}")
    calls, errors = values_of(metrics, families.TOOL_CALLS), values_of(metrics, families.TOOL_ERRORS)
    assert len(calls) == len(errors) == MOST_TOOLS + 1
    assert calls["a", "other", ""] == errors["a", "other"] == 50
    assert calls_by_method(metrics) == MOST_TOOLS + 50


@pytest.mark.scenario("C-8")
def test_a_tool_that_left_the_catalog_is_forgotten_after_an_hour_without_a_call_and_sums_never_fall():
    clock = Clock()
    metrics = Metrics(clock)
    metrics.calls.served = lambda: {("a", "stays")}
    for name in ("stays", "goes", "is-called"):
        call(metrics, "a", name)
    late = metrics.begin(SimpleNamespace(name="a"), SimpleNamespace(method="tools/call", name="goes"))
    seen = []
    for clock.now in range(0, 7200, 600):
        call(metrics, "a", "is-called")
        tools = {name for _, name, _ in values_of(metrics, families.TOOL_CALLS)}
        seen.append((clock.now, "goes" in tools))
        assert {"stays", "is-called"} <= tools
    assert [is_there for now, is_there in seen if now <= 3600] == [True] * 7
    assert not seen[-1][1]
    # A call that was on its way meanwhile counts for its backend all the same.
    before = calls_by_method(metrics)
    late.end(None, 1.0)
    assert calls_by_method(metrics) == before + 1 == 3 + 12 + 1
    call(metrics, "a", "goes")
    assert values_of(metrics, families.TOOL_CALLS)["a", "goes", ""] == 1


def test_room_that_was_made_is_given_to_new_tools():
    clock = Clock()
    metrics = Metrics(clock)
    for number in range(MOST_TOOLS):
        call(metrics, "a", f"old-{number}")
    metrics.snapshot()
    for clock.now in (61.0, 3700.0):
        call(metrics, "a", "new")
    calls = values_of(metrics, families.TOOL_CALLS)
    assert calls == {("a", "new", ""): 1, ("a", "other", ""): 1}


def test_durations_by_tool_are_those_by_method_in_fewer_buckets():
    metrics = Metrics()
    for seconds in (0.0001, 0.01, 0.02, 0.3, 4.0, 40.0, 400.0):
        call(metrics, "a", "x", seconds=seconds)
    coarse = values_of(metrics, families.TOOL_DURATION)["a", "x"]
    fine = values_of(metrics, families.BACKEND_OPERATIONS)["tools/call", "a", ""]
    assert set(TOOL_BUCKETS) < set(BUCKETS)
    assert coarse.counts == (2, 1, 0, 1, 1, 0, 1, 1)
    assert (coarse.total, coarse.count) == (fine.total, fine.count)


@pytest.mark.scenario("O-3")
def test_examples_of_traced_requests_are_shown_where_the_scrape_asks_for_openmetrics_and_one_for_each_bucket():
    metrics = Metrics()
    for number in range(1000):
        span = (f"{number:032x}", f"{number:016x}")
        metrics.on_request("tools/call", 200, Outcome.SUCCESS, 0.02, span if number % 2 else None)
        call(metrics, "a", "x", seconds=0.002).mark(None, 0.002, *span)
    text, _ = metrics.snapshot().render(OPENMETRICS)
    examples = {
        (family.name, sample.labels["le"]): sample.exemplar
        for family in parse_openmetrics(text.decode())
        for sample in family.samples
        if sample.exemplar
    }
    last = {"trace_id": f"{999:032x}", "span_id": f"{999:016x}"}
    assert {key: (each.labels, each.value) for key, each in examples.items()} == {
        ("mcp_server_operation_duration_seconds", "0.025"): (last, 0.02),
        ("mcp_client_operation_duration_seconds", "0.0025"): (last, 0.002),
        ("vmcp_tool_call_duration_seconds", "0.01"): (last, 0.002),
    }
    assert b"trace_id" not in metrics.snapshot().render("text/plain")[0]


def test_the_cells_of_a_histogram_hold_one_example_for_each_bucket():
    series = Series()
    for number in range(10_000):
        series.mark(number / 100, "t", "s")
    assert len(series.exemplars) <= len(BUCKETS) + 1


@pytest.mark.scenario("O-3")
async def test_what_lists_cost_and_how_long_sessions_were_is_told():
    backend = ScriptedBackend()
    async with scene({"one": backend, "two": ScriptedBackend()}) as world:
        async with world.session() as client:
            listed = await client.result("tools/list")
            before = await world.metrics()
            assert await client.delete() < 300

        def has_counted():
            sessions = values_of(world.proxy.metrics, families.SESSION_DURATION)
            return [seen.count for seen in sessions.values()] == [1]

        await eventually(has_counted)
    one = [tool for tool in listed["tools"] if tool["name"].startswith("one_")]
    size = before['vmcp_context_size_bytes{backend="one",kind="tool"}']
    assert 10 * len(one) < size
    assert before['vmcp_context_tokens{backend="one",kind="tool"}'] == -(-size // 4)
    assert before["vmcp_session_store_up"] == 1
    assert before["vmcp_config_refused"] == 0


@pytest.mark.scenario("O-3")
async def test_sessions_with_backends_count_once_they_are_over_by_what_broke_them():
    backend = ScriptedBackend()
    async with scene({"one": backend}) as world:
        async with world.session() as client:
            await client.call("one_echo")
            backend.forget_sessions()
            await client.call("one_echo")
            assert await client.delete() < 300

        def counted():
            seen = values_of(world.proxy.metrics, families.BACKEND_SESSION_DURATION)
            assert {backend for backend, _, _ in seen} <= {"one"}
            return {(error, each.count) for (_, revision, error), each in seen.items() if revision}

        # The proxy's own session was forgotten as well, and is missed at its next use.
        await eventually(lambda: {("session_lost", 1), ("", 1)} <= counted())
    text = world.proxy.metrics.snapshot().render("text/plain")[0].decode()
    # At the end the proxy's own session is over, too.
    assert sum(count for _, count in counted()) == 3
    assert 'mcp_client_session_duration_seconds_count{backend="one",error_type="session_lost"' in text


@pytest.mark.scenario("C-8", "R-4")
async def test_what_policies_limits_and_catalogs_refuse_counts_under_its_method_and_reaches_no_series_by_tool(
    both_eras,
):
    limits = {"rateLimiting": {"tools": [{"name": "one_echo", "shared": {"maxTokens": 1, "refillPeriod": "1h"}}]}}
    policies = [
        'permit(principal, action, resource) unless { resource.name == "one_never" };',
    ]
    backend = ScriptedBackend(tools=[tool("echo"), tool("never")])
    rules = {"authorization": {"policies": policies}}
    async with scene({"one": backend}, config=limits, **rules) as world, world.session() as client:
        for name in ("echo", "echo", "never", "unknown"):
            params = {"name": f"one_{name}", "arguments": {}}
            await client.post({"jsonrpc": "2.0", "id": name, "method": "tools/call", "params": params})
        seen = await world.metrics()
    ends = {
        error: seen[f'mcp_server_operation_duration_seconds_count{{error_type="{error}",mcp_method_name="tools/call"}}']
        for error in ("", "denied")
    }
    assert ends == {"": 1, "denied": 3}
    tools = {name: value for name, value in seen.items() if name.startswith("vmcp_tool_calls_total")}
    assert tools == {'vmcp_tool_calls_total{backend="one",category="",tool="one_echo"}': 1}
