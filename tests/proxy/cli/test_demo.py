"""The demo, as the README starts it."""

import contextlib
import errno
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.render import Mode, Rendered, render

DEMO = Path(__file__).parents[3] / "examples" / "demo"


@pytest.mark.scenario("D-1")
def test_the_demo_lists_and_calls_through_one_endpoint_and_prints_a_client_snippet():
    began = time.monotonic()
    with socket.socket() as other:
        # Held here, or by somebody else: the demo has to take other ports, and say which.
        with contextlib.suppress(OSError):
            other.bind(("127.0.0.1", 9090))
            other.listen()
        done = subprocess.run(
            [sys.executable, str(DEMO), "--once"], capture_output=True, text=True, timeout=55, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 55
    assert re.search(r"port 9090 is in use, .* `vmcp status http://127\.0\.0\.1:\d+`", done.stdout)
    for name in ("headers", "notes", "partner", "time"):
        assert any(line.split()[:2] == [name, "healthy"] for line in done.stdout.splitlines())
    for tool in ("time_get_current_time", "notes_search", "headers_show", "partner_show"):
        assert f"  {tool} " in done.stdout
    assert "[3/3] reading reload" in done.stdout
    assert "X-Api-Key: demo-key-123" in done.stdout
    assert "X-Partner-Token: ********" in done.stdout
    assert "not-a-real-token" not in done.stdout
    snippet = json.loads(done.stdout[done.stdout.index("  {") :])
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/mcp", snippet["mcpServers"]["vmcp"]["url"])
    # Nothing that the demo started goes on.
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(found[1]))) == errno.ECONNREFUSED


def test_the_manifests_of_the_demo_render_without_errors_in_both_modes():
    loaded = load([Source("manifests.yaml", (DEMO / "manifests.yaml").read_text(encoding="utf-8"))])
    assert str(loaded.problems) == ""
    for mode in Mode:
        assert isinstance(render(loaded.namespaces["default"], "demo", mode=mode), Rendered)
