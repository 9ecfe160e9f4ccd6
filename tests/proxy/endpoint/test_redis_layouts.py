"""Two whole proxies on each layout of Redis, set up by the manifests that a user writes."""

import asyncio
import base64
import contextlib
import json
from dataclasses import replace

import pytest
import trustme

from tests.proxy.cli.commands import endpoint, write
from tests.proxy.endpoint.helpers import everything
from tests.support.raw_client import WAIT_SECONDS, RawClient, initialize, until_status
from tests.support.redis_layouts import cluster_of_three, guarded_sentinel, rights, tls_redis, until_whole
from tests.support.redis_server import RedisServer, running
from tests.support.scene import Scene, operational
from tests.support.serving import running as running_proxy
from vmcp_api.secret import SecretBytes
from vmcp_proxy.cli.serve.sources import ManifestSource
from vmcp_proxy.run.reload import Reading
from vmcp_proxy.run.settings import Settings
from vmcp_proxy.sessions import Keyring

PATIENT = operational(timeouts={"list": "10s"}, failureHandling={"healthCheckInterval": "1h"})
"""Where Redis is what is looked at: a busy machine is no fault of its."""

pytestmark = pytest.mark.scenario("S-11")
KEYS = Keyring.of({"1": bytes(range(32))})
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def secret(name, **values):
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def config_map(name, **values):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}


def entry(port):
    spec = {
        "remoteUrl": f"http://127.0.0.1:{port}/mcp",
        "transport": "streamable-http",
        "groupRef": {"name": "g"},
    }
    metadata = {"name": "one"}
    return {"apiVersion": "vmcp.dev/v1beta1", "kind": "MCPServerEntry", "metadata": metadata, "spec": spec}


@contextlib.asynccontextmanager
async def pods(folder, backend, storage, *documents, count=2, **mounted):
    """So many proxies from the same manifests, with the same session keys; `mounted` takes the place of the Secrets."""
    spec = {"sessionStorage": {"provider": "redis", **storage}, "config": PATIENT, "passthroughHeaders": ["X-Api-Key"]}
    file = folder / "v.yaml"
    write(file, *endpoint(**spec), entry(backend.port), *documents)
    reading = ManifestSource((file,)).load()
    assert isinstance(reading, Reading), str(reading)
    loaded = replace(reading.loaded, **mounted)
    async with contextlib.AsyncExitStack() as stack:
        scenes = []
        for _ in range(count):
            settings = Settings(port=0, admin_port=0, handles_signals=False, keyring=KEYS)
            proxy = await stack.enter_async_context(running_proxy(loaded, settings=settings))
            scenes.append(Scene(proxy, {}))
        yield scenes


async def until_store(world, condition):
    """What the status says of the store, once the condition is met."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition(store := (await world.status())["store"]):  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.02)
    return store


async def sessions_move(folder, storage, *documents):
    """A session made on one proxy is used on the other, and ended there for both."""
    backend = everything()
    async with (
        backend.running(),
        pods(folder, backend, storage, *documents) as (a, b),
        a.client(x_api_key="k") as client,
        RawClient(b.url, client.headers) as there,
    ):
        await until_status(client, initialize(), 200)
        await client.open()
        assert (await client.call("one_echo"))["content"]
        there.session = client.session
        assert await there.names() == ["one_echo"]
        assert (await there.call("one_echo"))["content"]
        first, second = backend.calls("tools/call")
        assert first.session == second.session
        for each in (a, b):
            await until_store(each, lambda store: store == {"state": "ok", "message": ""})
        assert await there.delete() in (200, 204)
        assert (await there.post(PING)).status_code == 404
        await until_status(client, PING, 404)


async def test_sentinels_with_a_user_and_passwords_of_secrets(tmp_path):
    with guarded_sentinel(tmp_path) as sentinel:
        storage = {
            "mode": "sentinel",
            "masterName": "desk",
            "address": sentinel.address,
            "passwordRef": {"name": "redis", "key": "data"},
            "sentinelUsername": "watcher",
            "sentinelPasswordRef": {"name": "redis", "key": "sentinel"},
        }
        await sessions_move(tmp_path, storage, secret("redis", data="of-the-data\n", sentinel="of-the-sentinel\n"))


async def test_a_cluster_with_an_acl_user(tmp_path):
    with cluster_of_three(tmp_path) as nodes:
        await until_whole(nodes)
        for node in nodes:
            node.command(*rights("+command", "+cluster|slots"))
        storage = {
            "mode": "cluster",
            "address": ",".join(node.address for node in nodes),
            "username": "vmcp",
            "passwordRef": {"name": "redis", "key": "password"},
        }
        await sessions_move(tmp_path, storage, secret("redis", password="secret"))


async def test_tls_with_the_authority_of_a_config_map(tmp_path):
    authority = trustme.CA()
    with tls_redis(tmp_path, authority) as server:
        storage = {
            "address": f"localhost:{server.port}",
            "tls": {"enabled": True, "caBundleRef": {"name": "authority", "key": "ca.crt"}},
        }
        bundle = config_map("authority", **{"ca.crt": authority.cert_pem.bytes().decode()})
        await sessions_move(tmp_path, storage, bundle)


@pytest.mark.scenario("S-7")
async def test_a_store_that_is_not_to_be_trusted_is_named_in_the_status_and_gets_no_session(tmp_path):
    backend = everything()
    with tls_redis(tmp_path, trustme.CA()) as server:
        storage = {
            "address": f"localhost:{server.port}",
            "tls": {"enabled": True, "caBundleRef": {"name": "authority", "key": "ca.crt"}},
        }
        bundle = config_map("authority", **{"ca.crt": trustme.CA().cert_pem.bytes().decode()})
        async with backend.running(), pods(tmp_path, backend, storage, bundle, count=1) as (world,):
            async with world.client() as client:
                refused = await client.post(initialize())
                assert refused.status_code == 503
                assert "retry-after" in refused.headers
            advice = "name its CA with sessionStorage.tls.caBundleRef"
            store = await until_store(world, lambda store: advice in store["message"])
            assert store["state"] != "ok"
            assert json.loads(await world.admin("/readyz"))["ready"]


@pytest.mark.scenario("S-7", "H-7")
async def test_a_wrong_password_is_said_without_the_password_and_healed_without_a_restart(tmp_path):
    backend = everything()
    with running(RedisServer(tmp_path)) as server:
        server.command(*rights())
        storage = {
            "address": server.address,
            "username": "vmcp",
            "passwordRef": {"name": "redis", "key": "password"},
        }
        password = secret("redis", password="canary-90c1")
        async with (
            backend.running(),
            pods(tmp_path, backend, storage, password, count=1) as (world,),
            world.client() as client,
        ):
            assert (await client.post(initialize())).status_code == 503
            store = await until_store(world, lambda store: "password" in store["message"])
            assert store["state"] != "ok"
            assert "canary" not in json.dumps(await world.status())
            server.command("ACL", "SETUSER", "vmcp", ">canary-90c1")
            await until_status(client, initialize(), 200)
            await until_store(world, lambda store: store["state"] == "ok")


@pytest.mark.scenario("S-7")
@pytest.mark.parametrize("content", [None, b"", b"\n", b" \r\n"])
async def test_a_password_that_is_missing_or_empty_is_named_and_healed_by_one_without_a_restart(tmp_path, content):
    backend = everything()
    with running(RedisServer(tmp_path)) as server:
        server.command(*rights())
        storage = {
            "address": server.address,
            "username": "vmcp",
            "passwordRef": {"name": "redis", "key": "password"},
        }
        mounted = {} if content is None else {("redis", "password"): SecretBytes(content)}
        right = secret("redis", password="secret")
        async with (
            backend.running(),
            pods(tmp_path, backend, storage, right, count=1, secrets=mounted) as (world,),
            world.client() as client,
        ):
            assert (await client.post(initialize())).status_code == 503
            status = await world.status()
            assert status["missingSecrets"] == (["redis/password"] if content is None else [])
            flaw = {"name": "redis/password", "message": "is empty; write the secret into it"}
            assert status["invalidSecrets"] == ([] if content is None else [flaw])
            loaded = replace(world.proxy.state.loaded, secrets={("redis", "password"): SecretBytes(b"secret\n")})
            world.proxy.apply(loaded)
            await until_status(client, initialize(), 200)
            await until_store(world, lambda store: store["state"] == "ok")
            assert not (await world.status())["invalidSecrets"]
