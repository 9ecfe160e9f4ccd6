"""The event loop of `vmcp serve`: names that hang hold up neither other connections nor the end."""

import asyncio
import os
import ssl
import subprocess
import sys
import threading

import pytest
import trustme

from tests.proxy.cli.commands import SECONDS
from tests.proxy.http_client.servers import OK, answering, raw_server
from vmcp_proxy.cli.serve.loop import Loop
from vmcp_proxy.http_client import Lookups

ADDRESSES = {"good.example": ["127.0.0.9", "127.0.0.1"], "nowhere.example": [], "refuses.example": ["127.0.0.9"]}


def run(main):
    """Runs it on a loop on which all other names hang."""
    go_on = threading.Event()

    def look_up(host):
        return ADDRESSES.get(host) or go_on.wait()

    try:
        with asyncio.Runner(loop_factory=lambda: Loop(Lookups(look_up, most=32))) as runner:
            return runner.run(main())
    finally:
        go_on.set()


async def says(host, port, **options):
    """What a server says to a request."""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(host, port, **options)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        answer = await reader.readline()
        writer.close()
        return answer


def test_connections_to_a_name_try_its_addresses_while_others_hang():
    async def main():
        async with raw_server(answering(OK)) as server:
            hanging = [asyncio.create_task(says(f"hangs{each}.example", 80)) for each in range(8)]
            await asyncio.sleep(0)
            for host in ("good.example", "127.0.0.1"):
                assert (await says(host, server.port)).startswith(b"HTTP/1.1 200")
            with pytest.raises(ConnectionRefusedError):
                await says("refuses.example", server.port)
            assert not any(each.done() for each in hanging)
            for each in hanging:
                each.cancel()

    run(main)


@pytest.mark.parametrize(("named", "is_trusted"), [("good.example", True), ("127.0.0.1", False)])
def test_certificates_are_checked_by_the_name_and_not_by_its_address(named, is_trusted):
    ca = trustme.CA()
    serves, trusts = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    ca.issue_cert(named).configure_cert(serves)
    ca.configure_trust(trusts)

    async def main():
        async with raw_server(answering(OK), serves) as server:
            return await says("good.example", server.port, ssl=trusts)

    if is_trusted:
        assert run(main).startswith(b"HTTP/1.1 200")
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            run(main)


HUNG = """
import asyncio, threading
from vmcp_proxy.cli.serve.loop import Loop
from vmcp_proxy.http_client import Lookups

begun = threading.Event()

def hang(host):
    begun.set()
    threading.Event().wait()

async def main():
    asked = asyncio.create_task(asyncio.open_connection("hangs", 80))
    await asyncio.to_thread(begun.wait)
    asked.cancel()

with asyncio.Runner(loop_factory=lambda: Loop(Lookups(hang))) as runner:
    runner.run(main())
print("over")
"""


def test_a_process_ends_while_a_name_hangs():
    ended = subprocess.run([sys.executable, "-c", HUNG], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout == "over\n"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="makes a network and mounts of its own")
def test_a_backend_is_served_and_the_proxy_ends_while_the_names_of_others_hang(tmp_path):
    apart = ["unshare", "--mount", "--net", "--pid", "--mount-proc", "--kill-child"]
    command = [sys.executable, "-m", "tests.support.deaf_dns", str(tmp_path)]
    ended = subprocess.run([*apart, *command], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert "backend is up" in ended.stdout
    assert ended.stdout.endswith("ended with 0\n")
