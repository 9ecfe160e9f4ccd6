"""One backend beside three whose names hang in DNS, served by `vmcp serve`; its log goes to stdout.

Run it with a network and mounts of its own: `unshare --mount --net --pid --mount-proc --kill-child ...`.
"""

import asyncio
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from tests.support.scripted_backend import ScriptedBackend

_BIND, _GET_FLAGS, _SET_FLAGS, _UP = 4096, 0x8913, 0x8914, 1
HANGING = 3


def stand_alone(folder: Path) -> socket.socket:
    """Loopback is all there is, and a DNS server on it that says nothing while the socket is open."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = b"lo".ljust(16, b"\0")
        (flags,) = struct.unpack("16xh", fcntl.ioctl(any_socket, _GET_FLAGS, name + b"\0\0")[:18])
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", name, flags | _UP))
    # A lookup takes two and a half minutes, which is longer than any test waits.
    files = {
        "/etc/hosts": "127.0.0.1 localhost good\n",
        "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n",
    }
    for path, text in files.items():
        instead = folder / Path(path).name
        instead.write_text(text)
        if ctypes.CDLL(None, use_errno=True).mount(os.fsencode(instead), os.fsencode(path), None, _BIND, None):
            raise OSError(ctypes.get_errno(), "cannot mount")
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 53))
    return deaf


async def serve(folder: Path) -> None:
    backend = ScriptedBackend()
    async with backend.running():
        names = {"good": "good", **{f"a{each}": f"hangs{each}" for each in range(HANGING)}}
        servers = {name: {"url": f"http://{host}:{backend.port}", "type": "http"} for name, host in names.items()}
        file = folder / "servers.json"
        file.write_text(json.dumps({"mcpServers": servers}))
        options = ("--mcp-config", str(file), "--port=0", "--admin-port=0")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vmcp_proxy", "serve", *options, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        has_begun_to_end = False
        async for line in process.stderr:
            sys.stdout.write(line.decode())
            if b"backend is up" in line and not has_begun_to_end:
                has_begun_to_end = True
                process.send_signal(signal.SIGTERM)
        sys.stdout.write(f"ended with {await process.wait()}\n")


if __name__ == "__main__":
    with stand_alone(Path(sys.argv[1])):
        asyncio.run(serve(Path(sys.argv[1])))
