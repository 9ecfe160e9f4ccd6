"""Where values of Secrets and of clients' headers must never stand, from the manifest to the status of the resource."""

import asyncio
import base64
import contextlib
import io
import json
import logging

import pytest

from tests.operator.harness import Story, vmcp
from tests.proxy.cli.commands import as_yaml, endpoint
from tests.proxy.endpoint.helpers import everything, use_everything
from tests.proxy.endpoint.test_redis_layouts import entry, secret
from tests.support.redis_layouts import rights
from tests.support.redis_server import Monitor, RedisServer
from tests.support.redis_server import running as redis_running
from tests.support.scene import Scene
from tests.support.scripted_backend import Status
from tests.support.serving import running
from tests.support.syslog import SyslogServer
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.render import Mode, Rendered, encode_config, render
from vmcp_operator.plan.pod_status import read_status
from vmcp_proxy.observability.logs import JsonFormatter
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.settings import Settings

CANARY = "canary-3be8d2"
FORMS = (CANARY, base64.b64encode(CANARY.encode()).decode(), CANARY.encode().hex())
ONE = vmcp("v")


def manifests(backend, redis, audit):
    """An endpoint whose backend and whose Redis both need a value of a Secret; everything is written down."""
    spec = {
        "passthroughHeaders": ["X-Api-Key"],
        "sessionStorage": {
            "provider": "redis",
            "address": redis.address,
            "username": "vmcp",
            "passwordRef": {"name": "keys", "key": "redis"},
        },
        "config": {
            "rateLimiting": {"shared": {"maxTokens": 100_000, "refillPeriod": "1s"}},
            "operational": {
                "logLevel": "debug",
                "timeouts": {"list": "10s"},
                "failureHandling": {"healthCheckInterval": "100ms", "unhealthyThreshold": 2},
            },
            "audit": {"enabled": True, **audit, "includeRequestData": True, "includeResponseData": True},
        },
    }
    one = entry(backend.port)
    one["spec"]["headerForward"] = {
        "addHeadersFromSecret": [{"headerName": "X-Static", "valueSecretRef": {"name": "keys", "key": "header"}}]
    }
    documents = [*endpoint(**spec), one, secret("keys", redis=CANARY, header=CANARY)]
    for document in documents:
        document["metadata"]["namespace"] = "default"
    return as_yaml(*documents)


def rendered(text):
    loaded = load([Source("v.yaml", text)])
    assert not loaded.problems.errors, str(loaded.problems)
    found = render(loaded.namespaces["default"], "v", mode=Mode.LOCAL)
    assert isinstance(found, Rendered), str(found)
    return found


@contextlib.contextmanager
def everything_logged():
    """All that the process logs at debug, but for the test's own HTTP client."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(lambda record: not record.name.startswith(("httpx2", "httpcore2")))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


async def live(world, backend):
    """A session's whole life, and a backend that tells everybody what it was sent; the status of the proxy then."""
    async with world.client(x_api_key=CANARY, authorization=f"Bearer {CANARY}", cookie=CANARY) as client:
        await client.open()
        await use_everything(client)
        called = backend.calls("tools/call")[0]
        assert (called.headers["x-api-key"], called.headers["x-static"]) == (CANARY, CANARY)

        async def tell_all(call):
            raise Status(500, {"x-heard": CANARY, "www-authenticate": f"Bearer {CANARY}"})

        for method in ("tools/call", "ping", "tools/list"):
            backend.handlers[method] = tell_all
        said = [json.dumps(await client.request("tools/call", {"name": "one_echo"}))]
        async with asyncio.timeout(10):
            while (status := await world.status())["backends"][0]["status"] != "unhealthy":  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.02)
        said += [json.dumps(status), await world.admin("/metrics"), await world.admin("/readyz")]
        await client.delete()
    return said, status


async def resource_status(text, report):
    """What the operator writes for the same manifests and the report of such a proxy: all objects but the Secret."""
    story = Story(text)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=read_status(json.dumps(report).encode()))
    await story.reconcile(ONE)
    others = [each for ref, each in story.cluster.objects.items() if (ref.kind.name, ref.name) != ("Secret", "keys")]
    return story.status(ONE), json.dumps(others, default=str)


@pytest.mark.scenario("H-7", "S-8")
async def test_no_value_of_a_secret_or_header_stands_in_config_status_log_metric_audit_redis_or_resource(tmp_path):
    backend, syslog = everything(), SyslogServer()
    with redis_running(RedisServer(tmp_path)) as redis, everything_logged() as log:
        redis.command(*rights(f">{CANARY}"))
        async with backend.running(), syslog.running():
            text = manifests(backend, redis, {"sink": "syslog", "syslog": {"address": syslog.address}})
            found = rendered(text)
            assert {value.reveal() for value in found.secrets.values()} == {CANARY.encode()}
            loaded = Loaded(found.config, found.secrets)
            shown = [encode_config(found.config), repr(found), repr(loaded), str(found.warnings)]
            settings = Settings(port=0, admin_port=0, handles_signals=False)
            async with Monitor(redis) as monitor, running(loaded, settings=settings) as proxy:
                said, status = await live(Scene(proxy, {}), backend)
                heard = b"".join(line for line in await monitor.lines() if b'"AUTH"' not in line)
        stored = await asyncio.to_thread(redis.command, "KEYS", "*")
    assert b"vmcp:session:" in heard
    resource, objects = await resource_status(text, status)
    assert [each["name"] for each in resource["backends"]] == ["one"]
    assert resource["phase"] == "Pending", "its only server has yet to answer for the first time"
    audited = syslog.texts.decode()
    assert '"type":"mcp_tool_call"' in audited
    assert "x-heard" not in audited
    assert "config loaded" in log.getvalue()
    shown += [*said, log.getvalue(), audited, heard.decode("latin-1"), stored.decode("latin-1")]
    shown += [json.dumps(resource), objects]
    for number, place in enumerate(shown):
        for form in FORMS:
            assert form not in place, number
