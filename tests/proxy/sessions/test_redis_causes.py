"""What ails a Redis is named with what to do about it, never with what was said to it."""

import asyncio
from datetime import datetime

import pytest
import trustme
import uvloop

from benchmarks.ports import free_port
from tests.proxy.sessions.pods import OwnStore, eventually
from tests.proxy.sessions.test_stores import NEW, RECORD
from tests.support.redis_layouts import cluster_of_three, guarded_sentinel, tls_redis, until_whole
from tests.support.redis_server import RedisServer, running
from vmcp_api.config.sessions import StorageConfig
from vmcp_proxy.sessions import StoreUnavailable

pytestmark = pytest.mark.scenario("S-7")

DIGEST = "ab" * 32
SENTINEL = {"mode": "sentinel", "masterName": "desk"}


def open_store(address, password=None, sentinel_password=None, **storage):
    document = {"provider": "redis", "address": address, **storage}
    return OwnStore(StorageConfig.model_validate(document), password=password, sentinel_password=sentinel_password)


def trusting(authority):
    return {"enabled": True, "caBundle": authority.cert_pem.bytes().decode()}


async def ailment(store, ask=None):
    """What a question to the store and its state say; both must say the same."""
    try:
        with pytest.raises(StoreUnavailable) as refused:
            await (ask or (lambda: store.load(DIGEST)))()
        assert str(store.state) == "unavailable"
        assert store.state.message == str(refused.value)
        return str(refused.value)
    finally:
        await store.aclose()


async def deafness(store):
    """What the state says while the pod cannot hear the others, commands apart."""
    lost = asyncio.Event()
    watching = asyncio.create_task(store.watch(lambda _: None, lambda: None, lost.set))
    try:
        async with asyncio.timeout(30):
            await lost.wait()
        assert str(store._subscription) == "unavailable"
        return store._subscription.message
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await store.aclose()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory, authority):
    with tls_redis(tmp_path_factory.mktemp("tls"), authority) as server:
        yield server


@pytest.fixture(scope="module", params=["standalone", "cluster"])
def mode(request):
    return {"mode": request.param}


async def test_an_untrusted_certificate_leads_to_the_ca(encrypted, mode):
    said = await ailment(open_store(f"localhost:{encrypted.port}", tls=trusting(trustme.CA()), **mode))
    assert "no trusted authority" in said
    assert "caBundleRef" in said


async def test_a_certificate_for_another_name_leads_to_the_address(tmp_path, authority):
    other = authority.issue_cert("redis.example")
    with tls_redis(tmp_path, authority, certificate=other) as server:
        for host in ("localhost", "127.0.0.1"):
            said = await ailment(open_store(f"{host}:{server.port}", tls=trusting(authority)))
            assert "for another name; name the host in sessionStorage.address" in said


async def test_a_certificate_that_has_expired_is_said_so(tmp_path, authority):
    old = authority.issue_cert("localhost", not_before=datetime(2020, 1, 1), not_after=datetime(2020, 1, 2))  # noqa: DTZ001 - trustme takes naive times
    with tls_redis(tmp_path, authority, certificate=old) as server:
        said = await ailment(open_store(f"localhost:{server.port}", tls=trusting(authority)))
    assert "has expired; renew it" in said


async def test_a_ca_that_is_no_certificate_is_said_so(encrypted):
    said = await ailment(open_store(f"localhost:{encrypted.port}", tls={"enabled": True, "caBundle": "canary"}))
    assert "caBundleRef holds no certificate" in said
    assert "canary" not in said


async def test_a_client_certificate_that_redis_asks_for_is_said_so(tmp_path, authority):
    with tls_redis(tmp_path, authority, "--tls-auth-clients", "yes") as server:
        assert "client certificate" in await ailment(open_store(f"localhost:{server.port}", tls=trusting(authority)))


async def test_a_port_that_speaks_tls_leads_to_tls(encrypted, mode):
    for password in (None, b"canary"):
        said = await ailment(open_store(f"localhost:{encrypted.port}", password, **mode))
        assert "turn sessionStorage.tls.enabled on" in said
    assert "tls.enabled" in await deafness(open_store(f"localhost:{encrypted.port}", **mode))


def test_a_port_that_speaks_tls_leads_to_tls_under_the_event_loop_of_the_product(encrypted):
    async def ask():
        address = f"localhost:{encrypted.port}"
        said = [await ailment(open_store(address, mode=mode)) for mode in ("standalone", "cluster")]
        return [*said, await deafness(open_store(address))]

    for said in uvloop.run(ask()):
        assert "turn sessionStorage.tls.enabled on" in said


async def test_a_port_that_speaks_no_tls_leads_to_tls(redis_server, authority):
    said = await ailment(open_store(f"localhost:{redis_server.port}", tls=trusting(authority)))
    assert "see that it speaks TLS" in said


async def test_a_port_that_answers_without_tls_leads_to_tls(authority):
    async def answer(_, writer):
        writer.write(b"-ERR unknown command\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        said = await ailment(open_store(f"127.0.0.1:{port}", tls=trusting(authority)))
    assert "no TLS is spoken" in said
    assert "tls.enabled" in said


async def test_once_it_has_answered_nothing_more_is_said_of_tls(own_redis):
    store = open_store(own_redis.address)
    await store.load(DIGEST)
    own_redis.stop()
    assert await ailment(store) == "no connection to Redis"


async def test_a_host_that_cannot_be_resolved_is_said_so(mode):
    said = await ailment(open_store("nowhere.invalid:6379", **mode))
    assert "cannot be resolved" in said
    assert "sessionStorage.address" in said


async def test_a_port_where_nobody_listens_is_no_connection(mode):
    assert await ailment(open_store(f"127.0.0.1:{free_port()}", **mode)) == "no connection to Redis"


async def test_a_plain_redis_is_no_sentinel_and_no_cluster(redis_server):
    said = await ailment(open_store(redis_server.address, **SENTINEL))
    assert "no Sentinel at sessionStorage.address" in said
    assert "sessionStorage.mode" in said
    said = await ailment(open_store(redis_server.address, mode="cluster"))
    assert "Redis is no Cluster" in said
    assert "sessionStorage.mode" in said


async def test_a_cluster_and_a_sentinel_are_no_plain_redis(tmp_path):
    (tmp_path / "cluster").mkdir()
    with cluster_of_three(tmp_path / "cluster") as nodes:
        await until_whole(nodes)
        stores = [open_store(node.address) for node in nodes]
        said = [await ailment(store) for store in stores if not await is_answered(store)]
    assert len(said) == 2
    assert all("set sessionStorage.mode to cluster" in each for each in said)
    with guarded_sentinel(tmp_path) as sentinel:
        assert "set sessionStorage.mode to sentinel" in await ailment(open_store(sentinel.address))


async def is_answered(store):
    try:
        await store.load(DIGEST)
    except StoreUnavailable:
        return False
    await store.aclose()
    return True


async def test_sentinels_are_asked_for_the_right_master_by_the_right_user_at_the_right_place(tmp_path):
    with guarded_sentinel(tmp_path) as sentinel:
        user = {**SENTINEL, "sentinelUsername": "watcher"}
        password = b"of-the-sentinel"
        said = await ailment(open_store(sentinel.address, None, b"canary", **user))
        assert "sentinelPasswordRef" in said
        said = await ailment(open_store(sentinel.address, None, password, **{**user, "masterName": "other"}))
        assert "correct sessionStorage.masterName" in said
        said = await ailment(open_store(sentinel.address, b"canary", password, **user))
        assert "sessionStorage.passwordRef" in said
    for address in (sentinel.address, "nowhere.invalid:26379"):
        said = await ailment(open_store(address, None, password, **user))
        assert "no Sentinel answers; correct sessionStorage.address" in said


async def test_a_password_that_is_no_text_is_right_or_wrong_like_any_other(own_redis):
    own_redis.command("ACL", "SETUSER", "vmcp", "reset", "on", b">\xff\xfe", "~*", "&*", "+@all")
    assert await is_answered(open_store(own_redis.address, b"\xff\xfe\n", username="vmcp"))
    assert "passwordRef" in await ailment(open_store(own_redis.address, b"\xff", username="vmcp"))


ACL = (
    (("~other:*", "&vmcp:session:*", "+@all"), "grant it ~vmcp:session:* (keys) and &vmcp:session:* (channels)"),
    (("~vmcp:session:*", "&other:*", "+@all"), "grant it ~vmcp:session:* (keys) and &vmcp:session:* (channels)"),
    (("~*", "&*", "-@all", "+ping"), "grant it eval, evalsha, time, hset"),
    (("~*", "&*", "-@all", "+ping", "+eval", "+time"), "grant it eval, evalsha, time, hset"),
    (("~*", "&*", "-@all", "+ping", "+eval", "+evalsha", "+time"), "grant it eval, evalsha, time, hset"),
)


@pytest.mark.scenario("S-11")
@pytest.mark.parametrize(("rights", "remedy"), ACL, ids=["keys", "channels", "scripts", "digests", "inside"])
async def test_what_an_acl_user_lacks_is_named(own_redis, rights, remedy):
    own_redis.command("ACL", "SETUSER", "vmcp", "reset", "on", ">secret", *rights)

    def store():
        return open_store(own_redis.address, b"secret", username="vmcp")

    asking = store()
    said = await ailment(asking, lambda: asking.publish("pod", b"canary"))
    assert remedy in said
    assert "canary" not in said
    if "&*" not in rights and rights[0] != "~other:*":
        assert remedy in await deafness(store())


@pytest.mark.scenario("S-11")
async def test_the_prefix_that_is_granted_is_the_configured_one(own_redis):
    own_redis.command("ACL", "SETUSER", "vmcp", "reset", "on", ">secret", "~vmcp:session:*", "+@all")
    said = await ailment(open_store(own_redis.address, b"secret", username="vmcp", keyPrefix="team{0}:"))
    assert "grant it ~team{0}:* (keys) and &team{0}:* (channels)" in said


async def test_a_database_that_is_not_there_is_said_so(redis_server):
    assert "lower sessionStorage.db" in await ailment(open_store(redis_server.address, db=99))


async def test_a_replica_leads_to_its_master(tmp_path):
    for name in ("master", "replica"):
        (tmp_path / name).mkdir()
    with running(RedisServer(tmp_path / "master")) as master:
        options = ("--replicaof", f"{master.host} {master.port}", "--repl-diskless-sync-delay", "0")
        with running(RedisServer(tmp_path / "replica", *options)) as replica:
            await eventually(lambda: b"state=online" in master.command("INFO", "replication"), 20)
            store = open_store(replica.address)
            assert "name the master" in await ailment(store, lambda: store.create(DIGEST, RECORD, NEW, 60.0))
