"""Every layout of a Redis service: Sentinel with a failover, Cluster, TLS, an ACL user."""

import asyncio
from contextlib import ExitStack

import pytest
import trustme

from tests.proxy.sessions.messaging import DIGEST, KIND, Talker
from tests.proxy.sessions.pods import ALICE, SCOPE, Pod, eventually, once_available, redis_store
from tests.support.redis_server import RedisServer, free_port, running
from vmcp_api.spec.sessions import SessionStorage
from vmcp_proxy.sessions import EndReason, MissingReason, Session, StoreUnavailable, build_store
from vmcp_proxy.sessions.pod_name import new_pod_name

POD = new_pod_name()


async def full_circle(open_store):
    """Made on one pod, used and ended on the other, heard of on the first."""
    async with Pod(open_store()) as a, Pod(open_store()) as b:
        session_id, on_a = await a.open()
        await a.sessions.remember_backend(on_a, "github", b"token")
        restored = await b.use(session_id)
        assert isinstance(restored, Session)
        assert restored.backend_tokens == {"github": b"token"}
        await a.sessions._upkeep.touch([on_a, restored])
        await a.sessions.remember_level(on_a, "debug")
        await a.sessions.remember_stream(on_a, POD)
        assert await b.sessions.stream_pod(restored) == POD
        await a.sessions.remember_stream(on_a, None)
        assert await b.sessions.stream_pod(restored) is None
        assert await b.sessions.end(session_id, ALICE) is None
        assert await a.end_of(on_a, 3.0) is EndReason.ENDED_ELSEWHERE
        assert await a.use(session_id) is MissingReason.ENDED
    async with Talker(open_store()) as a, Talker(open_store()) as b:
        await a.reach(b)
        await b.reach(a)
        sent = [str(number).encode() for number in range(50)]
        assert all(await asyncio.gather(*(a.tell(b, body) for body in sent)))
        await eventually(lambda: len(b.heard) == 50)
        assert [body for _, body in b.heard] == sent
        assert not await a.messages.send(POD, KIND, DIGEST, b"nobody")


@pytest.fixture
def cluster(tmp_path):
    with ExitStack() as stack:
        nodes, bus = [], free_port()
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            # The default bus port lies 10 000 above the other, which may be no port at all.
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port() if number else bus))
            nodes.append(stack.enter_context(running(RedisServer(folder, *options))))
        shares = [(0, 5460), (5461, 10922), (10923, 16383)]
        for node, (first, last) in zip(nodes, shares, strict=True):
            node.command("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
        for node in nodes[1:]:
            node.command("CLUSTER", "MEET", node.host, str(nodes[0].port), str(bus))
        yield nodes


async def until_whole(nodes):
    def is_whole():
        infos = [node.command("CLUSTER", "INFO") for node in nodes]
        return all(b"cluster_state:ok" in info and b"cluster_known_nodes:3" in info for info in infos)

    await eventually(is_whole, 30.0)


def cluster_store(nodes, password=None, **storage):
    addresses = ",".join(node.address for node in nodes)
    document = {"provider": "redis", "mode": "cluster", "address": addresses, **storage}
    return build_store(SessionStorage.model_validate(document), scope=SCOPE, password=password)


@pytest.mark.scenario("S-11")
async def test_a_cluster_serves_sessions_on_all_its_nodes(cluster):
    await until_whole(cluster)

    def open_store():
        return cluster_store(cluster)

    for _ in range(3):
        await full_circle(open_store)
    async with Pod(open_store()) as pod:
        for _ in range(40):
            await pod.open()
        await pod.sessions._upkeep.touch(pod.sessions._cache)
    assert all(int(node.command("DBSIZE")[1:]) > 0 for node in cluster)


@pytest.fixture
def guarded_sentinel(tmp_path):
    """A master and a Sentinel that ask for different passwords."""
    for name in ("master", "sentinel"):
        (tmp_path / name).mkdir()
    with running(RedisServer(tmp_path / "master", "--requirepass", "of-the-data")) as master:
        lines = (
            f"sentinel monitor desk {master.host} {master.port} 1",
            "sentinel auth-pass desk of-the-data",
            "user default off",
            "user watcher on >of-the-sentinel resetchannels -@all +sentinel|masters",
        )
        with running(RedisServer(tmp_path / "sentinel", *lines, sentinel=True)) as sentinel:
            yield sentinel


@pytest.mark.scenario("S-11")
async def test_a_sentinel_may_ask_for_a_user_and_password_of_its_own(guarded_sentinel):
    def open_store(sentinel_password=b"of-the-sentinel\n"):
        document = {"provider": "redis", "mode": "sentinel", "masterName": "desk", "sentinelUsername": "watcher"}
        storage = SessionStorage.model_validate({**document, "address": guarded_sentinel.address})
        return build_store(storage, scope=SCOPE, password=b"of-the-data", sentinel_password=sentinel_password)

    await full_circle(open_store)
    for wrong in (None, b"of-the-data"):
        refused = open_store(wrong)
        with pytest.raises(StoreUnavailable, match="no Sentinel answers with a master"):
            await refused.load("ab" * 32)
        await refused.aclose()


@pytest.mark.scenario("S-11")
@pytest.mark.timeout(120)
async def test_sentinel_leads_to_the_new_master_after_a_failover(tmp_path):
    for name in ("first", "second", "sentinel"):
        (tmp_path / name).mkdir()
    with ExitStack() as stack:
        first = stack.enter_context(running(RedisServer(tmp_path / "first")))
        replica = RedisServer(
            tmp_path / "second", "--replicaof", f"{first.host} {first.port}", "--repl-diskless-sync-delay", "0"
        )
        second = stack.enter_context(running(replica))
        await eventually(lambda: b"state=online" in first.command("INFO", "replication"))
        watcher = RedisServer(
            tmp_path / "sentinel", f"sentinel monitor desk {first.host} {first.port} 1", sentinel=True
        )
        sentinel = stack.enter_context(running(watcher))
        await eventually(lambda: b"slaves=1" in sentinel.command("INFO", "sentinel"), 20.0)

        def open_store():
            document = {"provider": "redis", "mode": "sentinel", "address": sentinel.address, "masterName": "desk"}
            return build_store(SessionStorage.model_validate(document), scope=SCOPE)

        await full_circle(open_store)
        async with Pod(open_store()) as a, Pod(open_store()) as b:
            session_id, session = await a.open()
            await eventually(lambda: second.command("DBSIZE") == first.command("DBSIZE"))
            # Sentinel refuses until it has heard enough of the replica.
            await eventually(lambda: sentinel.command("SENTINEL", "FAILOVER", "desk") == b"+OK\r\n", 30.0)
            await eventually(lambda: b"role:master" in second.command("INFO", "replication"), 20.0)
            first.stop()
            assert await a.use(session_id) is session
            await eventually(lambda: a.store.state.available and b.store.state.available, 20.0)
            assert isinstance(await once_available(lambda: b.use(session_id)), Session)


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def tls_redis(tmp_path, authority):
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    port = RedisServer(tmp_path).port
    options = ("--tls-port", str(port), "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem")
    server = RedisServer(
        tmp_path, *options, "--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no", "--port", "0", port=port
    )
    with running(server):
        yield server


@pytest.mark.scenario("S-11")
async def test_tls_with_the_configured_authority_works_and_with_another_does_not(tls_redis, authority):
    def open_store(ca=authority):
        tls = {"enabled": True, "caBundle": ca.cert_pem.bytes().decode()}
        document = {"provider": "redis", "address": f"localhost:{tls_redis.port}", "tls": tls}
        return build_store(SessionStorage.model_validate(document), scope=SCOPE)

    await full_circle(open_store)
    stranger = open_store(trustme.CA())
    with pytest.raises(StoreUnavailable):
        await stranger.load("ab" * 32)
    await stranger.aclose()


def rights(*more):
    """What the description of `sessionStorage.username` says that the user needs."""
    scope = ("on", ">secret", "resetkeys", "~vmcp:session:*", "resetchannels", "&vmcp:session:*", "-@all")
    hashes = ("+hset", "+hdel", "+hmget", "+hgetall", "+hexists", "+exists", "+del", "+pexpire")
    return ("ACL", "SETUSER", "vmcp", *scope, *hashes, "+eval", "+time", "+publish", "+subscribe", "+ping", *more)


@pytest.mark.scenario("S-11")
async def test_an_acl_user_needs_no_more_than_what_sessions_do(own_redis):
    own_redis.command(*rights())
    await full_circle(lambda: redis_store(own_redis, b"secret\n", username="vmcp"))


@pytest.mark.scenario("S-11")
async def test_an_acl_user_of_a_cluster_needs_to_ask_for_its_nodes_too(cluster):
    await until_whole(cluster)
    for node in cluster:
        node.command(*rights("+command", "+cluster|slots"))
    await full_circle(lambda: cluster_store(cluster, b"secret\n", username="vmcp"))


async def test_an_acl_user_that_may_not_do_enough_is_said_so(own_redis):
    own_redis.command("ACL", "SETUSER", "vmcp", "on", ">secret", "allkeys", "-@all", "+ping", "+client")
    store = redis_store(own_redis, b"secret", username="vmcp")
    with pytest.raises(StoreUnavailable, match="the Redis user may not run what sessions need"):
        await store.load("ab" * 32)
    await store.aclose()
