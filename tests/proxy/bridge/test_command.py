"""`vmcp bridge` as a process: what the operator writes on its command line, and what a pod is told."""

import ssl
import sys

import pytest
import trustme

from tests.proxy.cli.commands import serving
from tests.support import stdio_server
from tests.support.attach_server import AttachServer
from tests.support.raw_client import RawClient
from vmcp_proxy.cli.bridge.command import find_api_server
from vmcp_proxy.cli.exits import CommandError

POD = ("--name=one", "--namespace=ns", "--pod=mcp-one-0", "--container=mcp")


@pytest.mark.scenario("K-18")
async def test_it_serves_the_process_of_the_pod_that_it_is_told_of(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with AttachServer((sys.executable, stdio_server.__file__)).running(context) as server:
        server.pod(tmp_path, authority.cert_pem.bytes().decode())
        env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
        own = ("--host=127.0.0.1", "--log-format=console", f"--service-account={tmp_path}")
        async with serving(*POD, *own, env=env, verb="bridge") as bridge, RawClient(await bridge.url()) as client:
            await bridge.line("backend is up")
            assert (await client.open())["serverInfo"]["name"] == "behind-the-bridge"
            (content,) = (await client.call("echo", {"text": "through"}))["content"]
            assert content["text"] == "through"
        assert "canary" not in "".join(bridge.lines)


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.1", "https://10.0.0.1:6443"), ("fd00::1", "https://[fd00::1]:6443")]
)
def test_the_api_server_is_the_one_that_every_pod_is_told(host, url):
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "6443"}
    assert find_api_server(environ) == url


def test_outside_of_a_pod_it_says_where_it_has_to_run():
    with pytest.raises(CommandError, match="run this in a pod"):
        find_api_server({})
