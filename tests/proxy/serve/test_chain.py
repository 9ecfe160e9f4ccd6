"""The order of the layers, seen from outside and by a probe."""

import subprocess
import sys
from dataclasses import replace

import pytest

from tests.proxy.serve.harness import CLUSTER, LOCAL, TokenAuthenticator, answer_empty, call, message
from vmcp_proxy.headerforward import AllowList
from vmcp_proxy.serve.chain.chain import build_chain

WITHOUT_AUDIT = (
    "recovery",
    "stream_timeout",
    "header_validation",
    "header_capture",
    "authentication",
    "mcp_parsing",
    "telemetry",
)


@pytest.mark.scenario("C-1")
def test_the_chain_names_its_layers_outermost_first(world):
    assert build_chain(world.settings, answer_empty, world.services).names == WITHOUT_AUDIT


@pytest.mark.scenario("C-1")
def test_audit_and_enrichment_are_layers_only_when_configured(world):
    world.audited()
    names = build_chain(world.settings, answer_empty, world.services).names
    assert names == (*WITHOUT_AUDIT[:5], "audit", "backend_enrichment", *WITHOUT_AUDIT[5:])


@pytest.mark.scenario("C-1")
async def test_each_fault_is_answered_by_the_outermost_layer_that_sees_it(world):
    world.settings = replace(world.settings, authenticator=TokenAuthenticator(), policy=LOCAL)
    async with world.serving():
        faulty = {"host": "evil.example", "content_type": "text/plain"}
        assert (await world.post(b"{", **faulty)).status_code == 421
        del faulty["host"]
        assert (await world.post(b"{", **faulty)).status_code == 415
        assert (await world.post(b"{")).status_code == 401
        assert (await world.post(b"{", authorization="Bearer x")).status_code == 400
        assert (await world.post(call(), authorization="Bearer x")).status_code == 200
    rejected = {key: value for key, value in world.scrape().items() if key.startswith("vmcp_http_rejected")}
    assert rejected == {
        'vmcp_http_rejected_total{layer="header_validation",status="421"}': 1,
        'vmcp_http_rejected_total{layer="header_validation",status="415"}': 1,
        'vmcp_http_rejected_total{layer="authentication",status="401"}': 1,
        'vmcp_http_rejected_total{layer="mcp_parsing",status="400"}': 1,
    }


@pytest.mark.scenario("C-1")
async def test_the_dispatch_finds_what_every_layer_has_prepared(world):
    seen = []

    async def probe(context):
        seen.append(
            (
                context.identity.has_authorization,
                context.captured().items(),
                context.rpc_method,
                context.target,
                context.body,
                context.is_measured,
                context.is_stream,
                len(world.in_flight),
            )
        )
        await answer_empty(context)

    world.dispatch = probe
    async with world.serving(allow_list=AllowList.of(["X-Api-Key"])):
        await world.post(call("add"), authorization="Bearer x", x_api_key="k", x_other="o")
    assert seen == [
        (True, (("X-Api-Key", b"k"),), "tools/call", "add", call("add"), True, False, 1),
    ]
    assert len(world.in_flight) == 0


async def test_a_reload_changes_the_next_request_and_spares_the_ones_in_flight(world):
    seen = []

    async def reload_then_answer(context):
        world.rebuild(policy=replace(CLUSTER, max_body=1024))
        seen.append(len(context.body))
        await answer_empty(context)

    world.dispatch = reload_then_answer
    async with world.serving():
        assert (await world.post(call(text="x" * 2000))).status_code == 200
        assert (await world.post(call(text="x" * 2000))).status_code == 413
    assert len(seen) == 1


async def test_request_ids_are_unique_across_reloads(world):
    ids = []

    async def note(context):
        ids.append(context.request_id)
        await answer_empty(context)

    world.dispatch = note
    async with world.serving():
        await world.post()
        world.rebuild()
        await world.post()
    assert len(set(ids)) == 2


async def test_a_target_is_found_for_each_method_that_names_one(world):
    seen = []

    async def note(context):
        seen.append(context.target)
        await answer_empty(context)

    world.dispatch = note
    async with world.serving():
        await world.post(message("resources/read", uri="test://a"))
        await world.post(message("prompts/get", name="p"))
        await world.post(message("completion/complete", ref={"type": "ref/prompt", "name": "q"}))
        await world.post(message("tools/call", name=7))
        await world.post(message("tools/list", name="not a target"))
        await world.post(b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}')
    assert seen == ["test://a", "p", "q", "", "", ""]


@pytest.mark.scenario("C-9")
def test_the_chain_loads_nothing_that_decides_about_capabilities():
    code = "import sys, vmcp_proxy.serve.chain.chain as _; print(*(m for m in sys.modules if '.core' in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "vmcp_proxy.core" not in loaded
