"""What `vmcp serve` imports: a client of Redis only where Redis is configured, nothing of the client commands."""

import subprocess
import sys

from tests.proxy.cli.commands import SECONDS, endpoint, newly_serving, server, write
from vmcp_proxy.cli.main import SUBCOMMANDS

SPY = """\
import atexit, os, sys
atexit.register(lambda: open(os.environ["IMPORTED"], "w").write("\\n".join(sys.modules)))
"""
UNUSED = {"cedarpy", "redis", "mcp", "mcp_types", "httpx2", "rich", "kubernetes", "kopf", "aiohttp"}


async def imported(tmp_path, **spec):
    """The top-level modules of a `vmcp serve` process, read when it ends after a backend came up."""
    (tmp_path / "sitecustomize.py").write_text(SPY)
    seen = tmp_path / "imported"
    variables = {"PYTHONPATH": f"{tmp_path}", "IMPORTED": str(seen)}
    async with newly_serving(
        "-f", write(tmp_path / "v.yaml", *endpoint(**spec), server("one")), env=variables
    ) as served:
        await served.line("backend is up", "name=one")
    return {name.partition(".")[0] for name in seen.read_text().split()}


async def test_without_redis_no_client_of_it_is_imported_in_the_life_of_a_process(tmp_path):
    modules = await imported(tmp_path)
    assert "vmcp_proxy" in modules
    assert not modules & UNUSED


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
