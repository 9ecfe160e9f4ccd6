"""What `vmcp serve` imports: no library before something that needs it is configured or asked for."""

import json
import secrets
import subprocess
import sys

import pytest

from tests.proxy.cli.commands import SECONDS, endpoint, newly_serving, server, write
from tests.proxy.cli.test_sources import mounted
from tests.support.plain_http import http_client
from vmcp_proxy.cli.main import SUBCOMMANDS

SPY = """\
import atexit, os, sys
atexit.register(lambda: open(os.environ["IMPORTED"], "w").write("\\n".join(sys.modules)))
"""
OF_OTHERS = {"mcp", "mcp_types", "httpx2", "rich", "kubernetes", "kopf", "aiohttp"}
"""Libraries of other commands, and of the operator."""

CONFIGURED = {"cedarpy", "redis", "cryptography", "jwt", "jsonschema_rs"}
ASKED = {"fastapi", "opentelemetry", "prometheus_client"}
"""Loaded by the first request for what they answer: the framework, what it brings along, the text of metrics."""

OF_MANIFESTS = {"yaml", "vmcp_api.kinds", "vmcp_api.rules", "vmcp_api.editor", "vmcp_api.templates"} | {
    "vmcp_api.manifests.load",
    "vmcp_api.render.server",
}
"""What a pod, which reads what others have rendered, has no use for."""


def spied(tmp_path):
    """The variables by which a process tells what it has imported, and the file that it tells it in."""
    (tmp_path / "sitecustomize.py").write_text(SPY)
    seen = tmp_path / "imported"
    return {"PYTHONPATH": f"{tmp_path}", "IMPORTED": str(seen)}, seen


async def imported(tmp_path, **spec):
    """The modules of a `vmcp serve` process, read when it ends after a backend came up."""
    variables, seen = spied(tmp_path)
    async with newly_serving(
        "-f", write(tmp_path / "v.yaml", *endpoint(**spec), server("one")), env=variables
    ) as served:
        await served.line("backend is up", "name=one")
    return set(seen.read_text().split())


async def test_nothing_is_imported_for_what_is_not_configured(tmp_path):
    modules = await imported(tmp_path)
    assert "vmcp_proxy.core.stack" in modules
    assert not modules & (OF_OTHERS | CONFIGURED | ASKED)


@pytest.mark.parametrize("asks", [False, True])
async def test_a_pod_imports_no_more_than_it_is_asked_for(tmp_path, asks):
    source = mounted(tmp_path)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "1").write_bytes(secrets.token_bytes(32))
    variables, seen = spied(tmp_path)
    arguments = ("--config", str(source.config), "--secrets", str(source.secrets), "--keys", str(tmp_path / "keys"))
    async with newly_serving(*arguments, env=variables) as served, http_client(timeout=SECONDS) as http:
        line = json.loads(await served.line("endpoint is ready"))
        admin = line["status"].removesuffix("/status")
        assert (await http.get(f"{admin}/readyz")).status_code == 200
        if asks:
            answers = [await http.get(f"{admin}/{path}") for path in ("status", "metrics")]
            assert [answer.status_code for answer in answers] == [200, 200]
    modules = set(seen.read_text().split())
    assert not modules & (OF_OTHERS | CONFIGURED | OF_MANIFESTS)
    assert modules & ASKED == (ASKED if asks else set())


async def test_with_redis_its_client_is_imported(tmp_path):
    storage = {"provider": "redis", "address": "127.0.0.1:1"}
    assert "redis" in await imported(tmp_path, sessionStorage=storage)


def test_every_command_can_be_the_first_that_is_imported():
    """In one process: models of resources, and what others have written, need not be imported anew for each."""
    code = f"""
import importlib, sys
for module in {sorted({each.module for each in SUBCOMMANDS.values()})}:
    for name in [each for each in sys.modules if each.startswith("vmcp_proxy")]:
        del sys.modules[name]
    importlib.import_module(module)
    print(module)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len({each.module for each in SUBCOMMANDS.values()})
