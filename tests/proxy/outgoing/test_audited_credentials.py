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
