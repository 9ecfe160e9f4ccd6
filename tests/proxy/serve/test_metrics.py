"""What is counted, under which labels."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.proxy.serve.harness import World, message
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.metrics import Metrics, families
from vmcp_proxy.observability.metrics.families import METHODS
from vmcp_proxy.observability.metrics.series import BUCKETS
from vmcp_proxy.serve.rejections import Rejection


def count_call(metrics, backend, method, category, seconds):
    metrics.begin(SimpleNamespace(name=backend), SimpleNamespace(method=method, name="x")).end(category, seconds)


async def refuse(context):
    context.outcome = Outcome.DENIED
    await context.reject("dispatch", Rejection(403, 403, "Denied."))


@pytest.mark.scenario("C-8")
async def test_what_the_dispatch_refuses_counts_under_its_real_method_and_not_as_rejected(world):
    world.dispatch = refuse
    async with world.serving():
        await world.post(message("tools/call", name="x"))
        await world.post(message("prompts/get", name="x"))
        await world.client.get("/mcp", headers={"accept": "text/event-stream"})
    samples = world.scrape()
    assert samples['vmcp_requests_total{method="tools/call",status="403"}'] == 1
    assert samples['vmcp_requests_total{method="prompts/get",status="403"}'] == 1
    assert samples['vmcp_requests_total{method="GET",status="403"}'] == 1
    denied = 'mcp_server_operation_duration_seconds_count{error_type="denied",mcp_method_name="tools/call"}'
    assert samples[denied] == 1
    assert not [name for name in samples if name.startswith("vmcp_http_rejected")]


@pytest.mark.scenario("C-8")
async def test_what_is_refused_further_out_counts_by_layer_and_status_and_not_as_a_request(world):
    async with world.serving():
        await world.post(b"[]")
        await world.post(b"[]")
        await world.client.put("/mcp")
    samples = world.scrape()
    assert samples['vmcp_http_rejected_total{layer="mcp_parsing",status="400"}'] == 2
    assert samples['vmcp_http_rejected_total{layer="header_validation",status="405"}'] == 1
    assert not [name for name in samples if name.startswith("vmcp_requests")]


@pytest.mark.scenario("C-8")
async def test_a_call_that_crashes_counts_as_an_error_of_its_method(world):
    async def crash(context):
        raise ValueError

    world.dispatch = crash
    async with world.serving():
        await world.post(message("tools/list"))
    samples = world.scrape()
    assert samples['vmcp_requests_total{method="tools/list",status="500"}'] == 1
    assert samples['mcp_server_operation_duration_seconds_count{error_type="error",mcp_method_name="tools/list"}'] == 1


@pytest.mark.scenario("C-8")
@given(st.lists(st.text(max_size=30), max_size=50))
def test_random_method_names_make_no_new_labels(names):
    metrics = Metrics()
    for name in names:
        metrics.on_request(name, 404, Outcome.FAILURE, 0.1)
        count_call(metrics, "a", name, None, 0.1)
    methods = {
        value
        for measured in metrics.snapshot().measured()
        for key in measured.values
        for label, value in zip(measured.family.attributes, key, strict=True)
        if "method" in label
    }
    assert methods <= METHODS | {"other"}


@pytest.mark.scenario("C-8")
def test_random_names_from_clients_stay_out_of_the_exposition():
    async def post_all():
        world = World()
        async with world.serving():
            for number in range(30):
                await world.post(message(f"random/{number}", name=f"random-{number}"))
                await world.client.request(f"RANDOM{number}", "/mcp")
        return world.scrape()

    samples = asyncio.run(post_all())
    assert not [name for name in samples if "random" in name.lower()]
    assert samples['vmcp_requests_total{method="other",status="200"}'] == 30


@pytest.mark.scenario("O-3")
def test_histograms_are_cumulative_and_sum_up():
    metrics = Metrics()
    for seconds in (0.0004, 0.0005, 0.02, 400.0):
        metrics.on_request("ping", 200, Outcome.SUCCESS, seconds)
    metrics.on_request("ping", 500, Outcome.ERROR, 1.0)
    families = {family.name: family for family in parse_text(metrics.snapshot().render("")[0].decode())}
    samples = families["mcp_server_operation_duration_seconds"].samples
    success = [sample for sample in samples if not sample.labels["error_type"]]
    buckets = {sample.labels["le"]: sample.value for sample in success if sample.name.endswith("_bucket")}
    assert len(buckets) == len(BUCKETS) + 1
    assert (buckets["0.0005"], buckets["0.01"], buckets["0.025"], buckets["300.0"]) == (2, 2, 3, 3)
    assert buckets["+Inf"] == 4
    assert [sample.value for sample in success if sample.name.endswith("_sum")] == [pytest.approx(400.0209)]
    requests = {sample.labels["status"]: sample.value for sample in families["vmcp_requests"].samples}
    assert requests == {"200": 4, "500": 1}


@pytest.mark.scenario("O-3")
def test_backend_requests_errors_and_tool_errors_count_apart(both_eras):
    metrics = Metrics()
    count_call(metrics, "a", "tools/call", None, 0.1)
    count_call(metrics, "a", "tools/call", "timeout", 0.1)
    count_call(metrics, "a", "tools/list", "timeout", 0.1)
    metrics.on_tool_error("a", "x")
    world = World(metrics=metrics)
    samples = world.scrape()
    assert samples['vmcp_backend_requests_total{backend="a",method="tools/call"}'] == 2
    assert samples['vmcp_backend_errors_total{backend="a",category="timeout"}'] == 2
    assert samples['vmcp_tool_errors_total{backend="a",tool="x"}'] == 1
    error = 'mcp_client_operation_duration_seconds_count{backend="a",error_type="timeout",mcp_method_name="tools/call"}'
    assert samples[error] == 1


def test_every_reading_shows_what_its_callback_says_at_the_time_of_the_scrape():
    metrics = Metrics()
    now = {"n": 1}
    for family in families.READ:
        key = ("x",) * len(family.labels)
        metrics.read_from(family, lambda key=key: {key: now["n"]} if key else now["n"])
    world = World(metrics=metrics)
    for now["n"] in (1, 5):
        samples = world.scrape()
        for family in families.READ:
            labels = ",".join(f'{label}="x"' for label in family.labels)
            assert samples[f"{family.sampled}{{{labels}}}" if labels else family.sampled] == now["n"]


def test_the_exposition_is_valid_in_both_formats_and_two_proxies_share_nothing():
    metrics = Metrics()
    metrics.on_request("ping", 200, Outcome.SUCCESS, 0.1)
    count_call(metrics, 'quo"te\n', "ping", "timeout", 0.1)
    text, media_type = metrics.snapshot().render("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(text.decode())} >= {"vmcp_requests"}
    plain, media_type = metrics.snapshot().render("*/*")
    assert media_type.startswith("text/plain")
    assert 'vmcp_requests_total{method="ping",status="200"} 1.0' in plain.decode()
    assert "vmcp_requests_total{" not in Metrics().snapshot().render("")[0].decode()
