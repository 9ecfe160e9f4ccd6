"""Every layout of a Redis service: Sentinel with a failover, Cluster, TLS, an ACL user."""

import asyncio
from contextlib import ExitStack

import pytest
import trustme

from tests.proxy.sessions.messaging import DIGEST, KIND, Talker
from tests.proxy.sessions.pods import ALICE, OwnStore, Pod, eventually, once_available, redis_store
from tests.support.redis_layouts import cluster_of_three, guarded_sentinel, rights, tls_redis, until_whole
from tests.support.redis_server import RedisServer, running
from vmcp_api.config.sessions import StorageConfig
from vmcp_proxy.pods.name import new_pod_name
from vmcp_proxy.sessions import EndReason, MissingReason, Session, StoreUnavailable
from vmcp_proxy.sessions.store.protocol import Presence, Touch

POD = new_pod_name()


async def full_circle(open_store):
    """Made on one pod, used and ended on the other, heard of on the first."""
    async with Pod(open_store()) as a, Pod(open_store()) as b:
        session_id, on_a = await a.open()
        await a.sessions.shared.remember_backend(on_a, "github", b"token")
        restored = await b.use(session_id)
        assert isinstance(restored, Session)
        assert restored.backend_tokens == {"github": b"token"}
        await a.sessions._upkeep.touch([on_a, restored])
        await a.sessions.shared.remember_level(on_a, "debug")
        await a.sessions.shared.take_stream(on_a, POD)
        assert await b.sessions.shared.stream_pod(restored) == POD
        await a.sessions.shared.leave_stream(on_a, POD)
        assert await b.sessions.shared.stream_pod(restored) is None
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
    with cluster_of_three(tmp_path) as nodes:
        yield nodes


def cluster_store(nodes, password=None, **storage):
    addresses = ",".join(node.address for node in nodes)
    document = {"provider": "redis", "mode": "cluster", "address": addresses, **storage}
    return OwnStore(StorageConfig.model_validate(document), password=password)


@pytest.mark.scenario("S-11")
async def test_a_cluster_serves_sessions_on_all_its_nodes(cluster):
    await until_whole(cluster)

    def open_store():
        return cluster_store(cluster)

    await asyncio.gather(*(full_circle(open_store) for _ in range(3)))
    async with Pod(open_store()) as pod:
        for _ in range(40):
            await pod.open()
        await pod.sessions._upkeep.touch(pod.sessions._cache)
        touches = [Touch(session.digest.hex, 0.0) for session in pod.sessions._cache]
        # A node that has just become the master of slots knows no script yet, while the others do.
        for forgetful in (cluster[:1], cluster):
            for node in forgetful:
                node.command("SCRIPT", "FLUSH")
            assert set(await pod.store.touch(touches, 60.0)) == {Presence.LIVE}
    assert all(int(node.command("DBSIZE")[1:]) > 0 for node in cluster)


@pytest.fixture
def sentinel(tmp_path):
    with guarded_sentinel(tmp_path) as server:
        yield server


@pytest.mark.scenario("S-11")
async def test_a_sentinel_may_ask_for_a_user_and_password_of_its_own(sentinel):
    def open_store(sentinel_password=b"of-the-sentinel\n"):
        document = {"provider": "redis", "mode": "sentinel", "masterName": "desk", "sentinelUsername": "watcher"}
        storage = StorageConfig.model_validate({**document, "address": sentinel.address})
        return OwnStore(storage, password=b"of-the-data", sentinel_password=sentinel_password)

    await full_circle(open_store)
    for wrong in (None, b"of-the-data"):
        refused = open_store(wrong)
        with pytest.raises(StoreUnavailable, match="the Sentinels refuse the user name or password; "):
            await refused.load("ab" * 32)
        await refused.aclose()


def is_master(server):
    """Whether a server leads; it hangs up on everybody in the moment in which that changes."""
    try:
        return b"role:master" in server.command("INFO", "replication")
    except ConnectionError:
        return False


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
            return OwnStore(StorageConfig.model_validate(document))

        await full_circle(open_store)
        async with Pod(open_store()) as a, Pod(open_store()) as b:
            session_id, session = await a.open()
            await eventually(lambda: second.command("DBSIZE") == first.command("DBSIZE"))
            # Sentinel refuses until it has heard enough of the replica.
            await eventually(lambda: sentinel.command("SENTINEL", "FAILOVER", "desk") == b"+OK\r\n", 30.0)
            await eventually(lambda: is_master(second), 20.0)
            first.stop()
            assert await a.use(session_id) is session
            await eventually(lambda: a.store.state.available and b.store.state.available, 20.0)
            assert isinstance(await once_available(lambda: b.use(session_id)), Session)


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def encrypted(tmp_path, authority):
    with tls_redis(tmp_path, authority) as server:
        yield server


@pytest.mark.scenario("S-11")
async def test_tls_with_the_configured_authority_works_and_with_another_does_not(encrypted, authority):
    def open_store(ca=authority):
        tls = {"enabled": True, "caBundle": ca.cert_pem.bytes().decode()}
        document = {"provider": "redis", "address": f"localhost:{encrypted.port}", "tls": tls}
        return OwnStore(StorageConfig.model_validate(document))

    await full_circle(open_store)
    stranger = open_store(trustme.CA())
    with pytest.raises(StoreUnavailable):
        await stranger.load("ab" * 32)
    await stranger.aclose()


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
