"""What other eyes may see of sessions: nothing that opens one or tells whose it is."""

import base64
import logging

import pytest

from tests.proxy.sessions.messaging import Talker
from tests.proxy.sessions.pods import ALICE, BOB, HEADERS, Pod, redis_store
from tests.support.redis_server import Monitor
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.sessions import Session

CANARY = Identity("https://canary-issuer.example", "canary-subject", claims={"email": "canary@claim.example"})
CANARY_HEADERS = HeaderSnapshot([("X-Api-Key", b"canary-header-value"), ("X-Team", b"canary-team")])
BACKEND_TOKEN = b"canary-backend-session"
SECRETS = (b"canary-issuer", b"canary-subject", b"canary@", b"canary-header", b"canary-team", BACKEND_TOKEN)
SECRETS += (b"canary-message", b"canary-digest")


async def full_run(server):
    """Everything that reaches Redis, once; returns the session ids."""
    async with Pod(redis_store(server), ttl=1.0) as a, Pod(redis_store(server), ttl=1.0) as b:
        kept_id, kept = await a.open(CANARY, CANARY_HEADERS)
        await a.sessions.shared.remember_backend(kept, "github", BACKEND_TOKEN)
        assert isinstance(await b.use(kept_id, CANARY, CANARY_HEADERS), Session)
        await b.use(kept_id, BOB, CANARY_HEADERS)
        await b.use(kept_id, CANARY, HEADERS)
        server.command("FLUSHALL")
        a.sessions._upkeep.doubt_all()
        assert await a.use(kept_id, CANARY, CANARY_HEADERS) is kept
        ended_id, _ = await a.open(CANARY, CANARY_HEADERS)
        assert await b.sessions.end(ended_id, CANARY) is None
        idle_id, idle = await a.open(CANARY, CANARY_HEADERS)
        await a.sessions.shared.remember_backend(idle, "github", BACKEND_TOKEN)
        await a.end_of(idle)
        assert await talk(server)
        final_id, final = await a.open(CANARY, CANARY_HEADERS)
        await a.sessions.shared.remember_backend(final, "github", BACKEND_TOKEN)
        return [kept_id, ended_id, idle_id, final_id]


async def talk(server):
    """A message and its acknowledgement; the session's digest and the body are not for other eyes either."""
    async with Talker(redis_store(server)) as a, Talker(redis_store(server)) as b:
        await a.reach(b)
        await b.reach(a)
        return await a.tell(b, b"canary-message", "canary-digest")


def spellings(secret):
    yield secret
    yield secret.hex().encode()
    for start in range(3):
        # Without the ends, which depend on what stands around it; what is left of a short one proves nothing.
        inner = base64.b64encode(b"_" * start + secret)[4:-4]
        if len(inner) >= 8:
            yield inner


def leaks(haystack, session_ids):
    secrets = [*SECRETS, *(session_id.encode() for session_id in session_ids)]
    secrets += [session_id.rpartition(".")[2].encode() for session_id in session_ids]
    return [secret for secret in secrets for text in spellings(secret) if text in haystack]


@pytest.mark.scenario("S-8", "H-7")
async def test_redis_neither_holds_nor_hears_a_secret(redis_server):
    async with Monitor(redis_server) as monitor:
        session_ids = await full_run(redis_server)
        traffic = b"".join(await monitor.lines())
    assert traffic.count(b'"EVALSHA"') > 10
    assert traffic.count(b'"PUBLISH"') >= 2
    assert leaks(traffic, session_ids) == []
    contents = dump(redis_server)
    assert b"capabilities" in contents
    assert b"backend:github" in contents
    assert b"terminated" in contents
    assert leaks(contents, session_ids) == []


@pytest.mark.scenario("H-7")
async def test_logs_at_debug_hold_no_secret(redis_server, caplog):
    with caplog.at_level(logging.DEBUG):
        session_ids = await full_run(redis_server)
        logging.getLogger("test").debug("the log was on")
    assert "the log was on" in caplog.text
    assert leaks(caplog.text.encode(), session_ids) == []


def test_the_search_finds_what_it_looks_for():
    session_id = "v1.1." + "A" * 64
    for planted in (BACKEND_TOKEN, session_id.encode(), b"xyz" + base64.b64encode(b"12" + BACKEND_TOKEN)):
        assert leaks(b"before " + planted + b" after", [session_id]) != []
    assert leaks(b"nothing of the kind", [session_id]) == []


async def test_a_record_holds_nothing_but_what_is_listed(redis_server):
    async with Pod(redis_store(redis_server)) as pod:
        _, session = await pod.open(ALICE)
        await pod.sessions.shared.remember_backend(session, "github", BACKEND_TOKEN)
        found = await pod.store.load(session.digest.hex)
        fields = found.record.encode()
    assert set(fields) == {b"binding", b"fingerprint", b"protocol", b"capabilities", b"backend:github"}


def dump(server):
    keys = server.command("KEYS", "*").split(b"\r\n")
    names = [line for line in keys if line.startswith(b"vmcp:session:")]
    assert len(names) >= 3
    return b"\n".join(keys + [server.command("HGETALL", name) for name in names])
