"""Where a config says that Redis is."""

import re
from typing import Final

_PORT_END: Final = 1 << 16
_ADDRESS: Final = re.compile(r"(\[(?P<bracketed>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]]+))(:(?P<port>[0-9]{1,5}))?")


class BadAddressError(ValueError):
    """`sessionStorage.address` does not say where Redis is."""

    def __init__(self, address: str) -> None:
        super().__init__(f"sessionStorage.address {address!r}: write host:port, several separated by commas")
        self.address = address


def parse_addresses(text: str, default_port: int) -> tuple[tuple[str, int], ...]:
    """Hosts and ports of a comma-separated list; IPv6 hosts stand in brackets.

    Raises:
        BadAddressError: a host is empty or a port is no number from 1 to 65535.
    """
    return tuple(_parse_address(part.strip(), default_port) for part in text.split(","))


def _parse_address(text: str, default_port: int) -> tuple[str, int]:
    if (match := _ADDRESS.fullmatch(text)) is None:
        raise BadAddressError(text)
    port = int(match["port"]) if match["port"] else default_port
    if not 0 < port < _PORT_END:
        raise BadAddressError(text)
    return match["bracketed"] or match["host"], port
