"""Sessions and streams of callers with tokens: whose they are, and for how long they are let in."""

import json
import time
from types import SimpleNamespace

import pytest

from tests.proxy.auth.oidc.helpers import door, oidc
from tests.proxy.sessions.reachable import paths_to
from tests.support.idp import Idp
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool
from vmcp_proxy.auth.incoming.oidc import authenticator, token_cache

LEEWAY = 60


async def refuse(self, *_):
    """Takes the place of a verification."""
    return self._invalid


def bearer(token):
    return {"authorization": f"Bearer {token}"}


@pytest.mark.scenario("S-3", "S-4")
async def test_a_session_is_open_to_every_token_of_its_caller_and_to_nobody_else():
    async with door() as it:
        mint = it.idp.mint
        async with it.world.client() as client:
            await client.open(**bearer(mint("alice")))
            foreign = bearer(mint("bob"))
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            for verb, content in (
                ("POST", ping),
                ("POST", {**ping, "method": "tools/list"}),
                ("GET", None),
                ("DELETE", None),
            ):
                headers = {"accept": "text/event-stream"} if verb == "GET" else {}
                assert (await client.send(verb, content, **headers, **foreign)).status_code == 404, verb
                assert (await client.send(verb, content, **headers)).status_code == 401, verb
            refreshed = bearer(mint("alice", scope="more"))
            assert await client.names(**refreshed) == ["one_echo"]
            assert await client.delete(**refreshed) == 204


@pytest.mark.scenario("S-4")
async def test_an_open_stream_ends_with_its_token_and_the_session_goes_on_with_a_fresh_one():
    async with door() as it, it.world.client() as client:
        fresh = bearer(it.idp.mint("alice"))
        await client.open(**fresh)
        await client.names(**fresh)
        over = bearer(it.idp.mint("alice", exp=int(time.time()) - LEEWAY + 2))
        async with client.listening(**over) as stream:
            await eventually(lambda: stream.ended)
            assert stream.retries
        assert (await client.send("GET", accept="text/event-stream", **over)).status_code == 401
        async with client.listening(**fresh) as stream:
            await eventually(lambda: stream.comments)
            it.backend.tools.append(tool("new"))
            it.backend.push("notifications/tools/list_changed")
            await stream.until("notifications/tools/list_changed")
            assert not stream.ended


async def test_a_reload_that_asks_for_other_tokens_has_listeners_come_back_with_them():
    async with door() as it, it.bearing(it.idp.mint("alice")) as client:
        await client.open()
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            it.world.apply(passthroughHeaders=["X-Api-Key"])
            assert not stream.ended
            it.world.apply(incomingAuth=oidc(it.idp, audience="another"))
            await eventually(lambda: stream.ended)
        assert (await client.send("GET", accept="text/event-stream")).status_code == 401
        again = bearer(it.idp.mint("alice", aud="another"))
        assert await client.names(**again) == ["one_echo"]


async def test_who_was_let_in_unasked_has_to_show_a_token_after_a_reload_that_wants_one():
    async with Idp().running() as idp, scene({"one": ScriptedBackend()}) as world, world.session() as client:
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            world.apply(incomingAuth=oidc(idp))
            await eventually(lambda: stream.ended)
        assert (await client.send("DELETE")).status_code == 401
        assert (await client.send("DELETE", **bearer(idp.mint("alice")))).status_code == 404


@pytest.mark.scenario("H-7")
async def test_no_token_stays_in_memory_after_the_session():
    async with door() as it:
        token = it.idp.mint("alice")
        canary = token.rpartition(".")[2].encode()
        async with it.bearing(token) as client:
            await client.open()
            await client.names()
            assert paths_to(canary, it.world.proxy)
            await client.delete()
        await eventually(lambda: not paths_to(canary, it.world.proxy))


async def test_equal_tokens_are_of_one_identity_while_a_session_holds_it():
    async with door() as it, it.bearing(it.idp.mint("alice")) as client:
        await client.open()
        first = it.world.inside.client.caller.identity
        await client.names()
        assert it.world.inside.client.caller.identity is first
        assert first.expires_at == pytest.approx(time.time() + 300 + LEEWAY, abs=30)


@pytest.mark.scenario("I-3", "S-4")
@pytest.mark.parametrize("what_happens", ["its time", "another key", "other scopes are wanted"])
async def test_a_token_in_a_head_that_comes_again_is_judged_each_time(monkeypatch, what_happens):
    now, hashed = time.time(), []
    monkeypatch.setattr(authenticator, "time", SimpleNamespace(time=lambda: now))
    monkeypatch.setattr(authenticator, "digest_of", lambda token: hashed.append(token) or token_cache.digest_of(token))
    async with door() as it, it.world.client() as client:
        shown = bearer(it.idp.mint("alice", exp=int(now) + 100))
        await client.open(**shown)

        async def status() -> int:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            return (await client.send("POST", ping, **shown)).status_code

        assert [await status() for _ in range(3)] == [200] * 3
        before = len(hashed)
        assert [await status() for _ in range(5)] == [200] * 5
        assert len(hashed) == before, "its digest is found out once for a head that comes again"
        if what_happens == "its time":
            # Known from its verdict alone: the clock of the library that verifies is another.
            now += 100 + LEEWAY
            monkeypatch.setattr(authenticator.OidcAuthenticator, "_judge", refuse)
        elif what_happens == "another key":
            it.idp.rotate(keeps_old=False)
            assert await it.status_of(it.idp.mint("bob")) == 200
            now += authenticator.SIGNED_SECONDS
        else:
            it.world.apply(incomingAuth=oidc(it.idp, scopes=["more"]))
        assert await status() == (403 if what_happens == "other scopes are wanted" else 401)


@pytest.mark.scenario("C-7")
async def test_refusals_are_audited(tmp_path):
    path = tmp_path / "audit.log"
    audit = {"audit": {"enabled": True, "sink": "file", "path": str(path)}}
    async with door(config={"config": audit}, scopes=["s"]) as it:
        assert await it.status_of(None) == 401
        assert await it.status_of(it.idp.mint("alice")) == 403
        assert await it.status_of(it.idp.mint("alice", scope="s")) == 200
        await eventually(lambda: len(path.read_text().splitlines()) >= 3)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["outcome"] for event in events][:3] == ["denied", "denied", "success"]
    assert events[2]["subject"] == {"issuer": it.idp.issuer, "subject": "alice"}
