"""Which addresses `vmcp serve` may listen on, and how URLs name them."""

import ipaddress
from typing import Final

from vmcp_proxy.cli.exits import CommandError, Exit

LOOPBACK: Final = "127.0.0.1"
"""Where a person's own endpoint listens."""


def is_loopback(host: str) -> bool:
    """Whether only processes of this machine reach a listener on this host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(host: str, *, allow_remote: bool) -> None:
    """Lets other machines in only where that was asked for.

    Raises:
        CommandError: the host is not loopback and `allow_remote` is not set.
    """
    if not allow_remote and not is_loopback(host):
        message = f"--host {host} would let other machines in"
        raise CommandError(Exit.USAGE, message, "add --allow-remote if that is what you want, or remove --host")


def endpoint_url(host: str, port: int) -> str:
    """The URL of the endpoint on a host."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/mcp"
