"""What the proxy lets itself in with stands in no audit line, also where a backend repeats it."""

import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_layers import events_in
from tests.proxy.outgoing.helpers import Guarded, bearer_token, client_credentials, stage, token_exchange
from tests.support.scripted_backend import text


def repeating():
    backend = Guarded()

    @backend.on("tools/call")
    async def tell(call):
        return text("who: " + json.dumps(call.heard.headers.get("authorization", "")).partition(" ")[2])

    return backend


@pytest.mark.scenario("O-1", "H-7")
async def test_a_token_that_the_proxy_got_is_masked_where_a_backend_repeats_it(tmp_path):
    path = tmp_path / "audit.log"
    audit = {"enabled": True, "sink": "file", "path": str(path), "includeResponseData": True}
    backends = {name: repeating() for name in ("exchange", "client", "bearer")}

    def strategies(idp):
        return {"exchange": token_exchange(idp), "client": client_credentials(idp), "bearer": bearer_token()}

    async with stage(strategies, backends, config={**QUIET, "audit": audit}) as at, at.signed_in("alice") as client:
        for name in backends:
            await client.call(f"{name}_echo")
        events = await events_in(path, 5)
    tokens = [token for backend in backends.values() for token in backend.shown("authorization", "tools/call")]
    assert len(tokens) == 3
    for event in events[-3:]:
        (content,) = event["data"]["response"]["content"]
        assert content["text"] == 'who: ***"'
    written = path.read_text()
    assert [token for token in tokens if token.removeprefix("Bearer ") in written] == []


@pytest.mark.scenario("O-1", "H-7")
async def test_what_steps_are_let_in_with_is_masked_in_the_lines_of_their_composite_tool(tmp_path):
    path = tmp_path / "audit.log"
    audit = {"enabled": True, "sink": "file", "path": str(path), "includeResponseData": True}
    backends = {name: repeating() for name in ("exchange", "client", "bearer")}
    said = {"type": "string", "value": "{{.steps.exchange.output.text}} {{.steps.client.output.text}}"}
    tool = {
        "name": "all",
        "description": "Asks all.",
        "steps": [{"id": name, "tool": f"{name}_echo"} for name in backends],
        "output": {"properties": {"said": said, "last": {"type": "string", "value": "{{.steps.bearer.output.text}}"}}},
    }

    def strategies(idp):
        return {"exchange": token_exchange(idp), "client": client_credentials(idp), "bearer": bearer_token()}

    config = {**QUIET, "audit": audit, "compositeTools": [tool]}
    async with stage(strategies, backends, config=config) as at, at.signed_in("alice") as client:
        result = await client.call("all")
        events = await events_in(path, 7)
    tokens = [token for backend in backends.values() for token in backend.shown("authorization", "tools/call")]
    assert len(tokens) == 3
    assert all(token.removeprefix("Bearer ") in result["content"][0]["text"] for token in tokens)
    assert events[-1]["type"] == "mcp_tool_call"
    assert events[-1]["data"]["response"]["structuredContent"]["last"] == 'who: ***"'
    written = path.read_text()
    assert [token for token in tokens if token.removeprefix("Bearer ") in written] == []
