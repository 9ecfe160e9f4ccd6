"""A backend at which no policy could permit a caller anything does not hear of it, nor the caller of the backend."""

import asyncio
import json

import pytest

from tests.proxy.outgoing.helpers import Guarded, relay, stage, token_exchange
from tests.support.raw_client import eventually
from tests.support.scripted_backend import ScriptedBackend, tool
from vmcp_proxy.core.policy.cedar.admitter import CedarAdmitter
from vmcp_proxy.core.policy.cedar.evaluation import evaluate

pytestmark = pytest.mark.scenario("Z-2", "H-5")


def policies(*texts):
    return {"mode": "Enforce", "policies": list(texts), "groupClaims": ["groups"]}


APART = policies(
    'permit(principal in Group::"blue", action, resource in Backend::"blue");',
    'permit(principal in Group::"red", action, resource) when { resource.backend like "red*" };',
)
BY_NAME = policies('permit(principal in Group::"blue", action, resource == Tool::"blue_echo");')
BY_HINT = policies(
    'permit(principal, action, resource in Backend::"blue") when { resource.readOnlyHint };',
)


def strategies(idp):
    return {
        "blue": {},
        "red-relays": relay("Authorization", "Cookie", audience="files"),
        "red-swaps": token_exchange(idp, audience="x"),
        "red-plain": {},
    }


def red():
    return Guarded(
        offers={"tools": {"listChanged": True}, "logging": {}, "completions": {}}, instructions="RED SAYS SO"
    )


async def everything_asked(client):
    """All that a client may ask beside calls of names that it knows."""
    hello = await client.open()
    lists = [await client.result(f"{kind}/list") for kind in ("tools", "resources", "prompts")]
    await client.result("logging/setLevel", {"level": "info"})
    await client.post({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
    for name in ("red-plain_echo", "red-swaps_echo", "nobody"):
        await client.post({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": name}})
    return json.dumps([hello, lists])


@pytest.mark.parametrize("authorization", [APART, BY_NAME, BY_HINT])
async def test_neither_its_token_nor_its_headers_nor_a_token_for_it_come_to_a_backend_that_is_out_of_reach(
    authorization,
):
    backends = {name: red() for name in ("red-relays", "red-swaps", "red-plain")}
    backends["blue"] = Guarded(
        tools=[tool("echo", annotations={"readOnlyHint": True})], offers={"tools": {}, "logging": {}}
    )
    async with stage(strategies, backends, authorization=authorization, passthroughHeaders=["X-Api-Key"]) as st:
        token = st.idp.mint("bob", groups=["blue"], aud=["vmcp", "files"])
        async with st.bearing(token, cookie="sid=BOB", x_api_key="BOBS") as client:
            seen = await everything_asked(client)
            assert await client.names() == ["blue_echo"]
            async with client.listening() as stream:
                await eventually(lambda: stream.comments)
        assert st.heard_anywhere(token) == st.heard_anywhere("sid=BOB") == []
        assert st.heard_anywhere("BOBS") == ["blue"]
        assert [each for each in st.idp.requests() if each.form.get("subject_token") == token] == []
        assert "red" not in seen.lower()
        assert "completions" not in seen


async def test_who_may_use_them_is_served_by_them_as_ever():
    async with (
        stage(strategies, {"red-plain": red()}, authorization=APART) as st,
        st.signed_in("rita", groups=["red"], aud=["vmcp", "files"]) as client,
    ):
        assert await client.names() == ["red-plain_echo", "red-relays_echo", "red-swaps_echo"]
        for name in await client.names():
            assert (await client.call(name))["content"]


async def test_what_cannot_be_asked_and_is_out_of_reach_is_not_named_and_not_waited_for():
    silent = ScriptedBackend()
    go = asyncio.Event()

    async def wait(_call):
        await go.wait()

    silent.before_open = wait
    lacking = {"headerForward": {"addHeadersFromSecret": [LACKING]}}
    backends = {"blue": Guarded(), "red-hangs": silent, "red-lacks": Guarded()}
    config = {"aggregation": {"conflictResolution": "priority"}, "operational": {"timeouts": {"list": "20s"}}}
    more = {"blue": {}, "red-hangs": {}, "red-lacks": lacking}
    async with stage(lambda _: more, backends, authorization=APART, config=config) as st:
        async with asyncio.timeout(15), st.signed_in("bob", groups=["blue"]) as client:
            assert "_meta" not in await client.result("tools/list")
            asked = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "of_whomever"}}
            assert (await client.post(asked)).json()["error"]["code"] == 403
        go.set()


LACKING = {"headerName": "X-Api-Key", "valueSecretRef": {"name": "none", "key": "none"}}


async def test_another_token_of_the_same_caller_reaches_what_its_own_claims_let_it():
    async with stage(strategies, authorization=APART) as st, st.signed_in("bob", groups=["blue"]) as client:
        assert await client.names() == ["blue_echo"]
        client.headers["authorization"] = f"Bearer {st.idp.mint('bob', groups=['red'])}"
        assert await client.names() == ["red-plain_echo", "red-swaps_echo"]
        client.headers["authorization"] = f"Bearer {st.idp.mint('bob', groups=['blue'])}"
        assert await client.names() == ["blue_echo"]


async def test_a_name_belongs_to_the_backend_within_reach_and_a_warm_call_asks_cedar_nothing(both_eras, monkeypatch):
    config = {"aggregation": {"conflictResolution": "priority"}}
    backends = {"blue": Guarded(), "red": Guarded()}
    asked = []

    def counting(*request):
        asked.append(request)
        return evaluate(*request)

    monkeypatch.setattr(f"{CedarAdmitter.__module__}.evaluate", counting)
    async with stage(lambda _: {"blue": {}, "red": {}}, backends, authorization=APART, config=config) as st:
        for group in ("blue", "red"):
            async with st.signed_in(group, groups=[group]) as client:
                assert await client.names() == ["echo"]
                await client.call("echo")
                del asked[:]
                await client.call("echo")
                assert asked == []
                assert [len(each.calls("tools/call")) for each in backends.values()] == [2, 2 if group == "red" else 0]
            told = await st.world.explain("echo", identity={"subject": group, "claims": {"groups": [group]}})
            assert (told["conclusion"], told["listed"]) == ("allowed", True)
            others = [(each["backend"], each["conclusion"]) for each in told["chains"] if each["backend"] != group]
            assert others == [("red" if group == "blue" else "blue", "denied")]
