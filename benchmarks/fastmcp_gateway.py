"""A FastMCP proxy in front of one backend, run by an interpreter that has `fastmcp`; imports nothing else."""

import argparse
import socket

import fastmcp
from fastmcp.server import create_proxy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    options = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    print(f"version {fastmcp.__version__}", flush=True)
    proxy = create_proxy(options.url, name="bench")
    # It does not say when it listens: the parent tries the port.
    print(f"port {port}", flush=True)
    proxy.run(transport="http", host="127.0.0.1", port=port, path="/mcp", show_banner=False, log_level="error")


if __name__ == "__main__":
    main()
