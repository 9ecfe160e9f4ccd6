"""What does not fit the machine: programs that are not there, and forward proxies that are not used."""

import json
import sys
from pathlib import Path

import pytest

from tests.proxy.cli.commands import call_vmcp, endpoint, server, serving, write
from vmcp_api.editor.servers import parse_mcp_servers
from vmcp_proxy.cli.checks.forward_proxies import find_unused_proxies
from vmcp_proxy.cli.exits import Exit


def rendered(**servers):
    text = json.dumps({"mcpServers": servers})
    return parse_mcp_servers(text, file="f", environment={}, read_text=lambda _path: "")


PUBLIC = {"url": "https://api.example/mcp"}


@pytest.mark.parametrize(
    ("environ", "entry", "said"),
    [
        ({"HTTPS_PROXY": "http://u:canary@p:1"}, PUBLIC, "HTTPS_PROXY names a forward proxy"),
        ({"https_proxy": "p:1"}, PUBLIC, "https_proxy names a forward proxy"),
        ({"HTTPS_PROXY": "p:1", "ALL_PROXY": "p:1"}, PUBLIC, "HTTPS_PROXY, ALL_PROXY name a forward proxy"),
        ({"HTTP_PROXY": "p:1"}, {"url": "http://intranet/mcp"}, "dialled without one: a; let this machine reach"),
        ({"HTTP_PROXY": "p:1"}, PUBLIC, None),
        ({"HTTPS_PROXY": ""}, PUBLIC, None),
        ({"HTTPS_PROXY": "p:1", "NO_PROXY": "other,.example"}, PUBLIC, None),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "*"}, PUBLIC, None),
        ({"HTTPS_PROXY": "p:1"}, {"url": "https://localhost:1/mcp"}, None),
        ({"HTTPS_PROXY": "p:1"}, {"command": "npx"}, None),
    ],
)
def test_a_forward_proxy_that_is_not_used_is_told_where_a_backend_would_need_it(environ, entry, said):
    problems = find_unused_proxies(rendered(a=entry).config, environ)
    assert len(problems) == (said is not None)
    assert (said or "") in str(problems)
    assert "canary" not in str(problems)
    assert not problems.errors


@pytest.mark.scenario("D-7")
async def test_serve_says_at_its_start_that_it_uses_no_forward_proxy(tmp_path):
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"a": {"url": "http://nowhere.invalid/mcp"}}}))
    variables = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    async with serving("--mcp-config", str(file), env=variables) as served:
        assert "let this machine reach them directly" in await served.line("config warning", "HTTP_PROXY names")


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"command": "no-such-program"}, "'no-such-program', which is not on PATH; install it, or write its whole"),
        ({"command": "npx -y thing"}, "'npx -y thing', which is not on PATH; put its arguments into args"),
        ({"command": "/no/such"}, "'/no/such', which is not there or no program; correct the path"),
        ({"command": "./run", "cwd": "/no/such"}, "'./run', which is not there"),
        ({"command": Path(sys.executable).name, "env": {"PATH": "/no/such"}}, "which is not on PATH"),
        ({"command": sys.executable}, None),
        ({"command": "./" + Path(sys.executable).name, "cwd": str(Path(sys.executable).parent)}, None),
        ({"command": Path(sys.executable).name, "env": {"PATH": str(Path(sys.executable).parent)}}, None),
        ({"url": "http://h/mcp"}, None),
    ],
)
def test_validate_warns_of_a_program_that_is_not_there(tmp_path, capsys, entry, said):
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"a": entry}}))
    done = call_vmcp(capsys, "validate", "--mcp-config", str(file))
    assert done.code == Exit.OK
    warned = [line for line in done.out.splitlines() if "backend 'a' is started by" in line]
    assert len(warned) == (said is not None)
    assert not said or said in warned[0]


def test_validate_warns_of_a_program_in_manifests_too(tmp_path, capsys):
    file = write(tmp_path / "v.yaml", *endpoint(), server("one", ["no-such-program"]))
    done = call_vmcp(capsys, "validate", file)
    assert done.code == Exit.OK
    assert "warning: backend 'one' is started by 'no-such-program', which is not on PATH" in done.out
