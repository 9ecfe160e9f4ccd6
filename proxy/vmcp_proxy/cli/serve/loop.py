"""The event loop of a process that serves."""

import ssl
from typing import Any, Final

import uvloop

from vmcp_proxy.http_client import Lookups, read_address


class Loop(uvloop.Loop):
    """uvloop's, but for how connections to names are opened: Redis clients leave that to their loop.

    uvloop looks up names in a pool of libuv's, of which it gives two threads to lookups: two names that hang would keep
    all others from being resolved, and the process from ending (ADR-0071).
    """

    def __init__(self, lookups: Lookups | None = None) -> None:
        super().__init__()
        self._lookups: Final = lookups or Lookups()

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        """See `asyncio.loop.create_connection`; the addresses of a name are tried one after the other."""
        if not host or port is None or read_address(host):
            return await super().create_connection(protocol_factory, host, port, **options)
        if options.get("ssl") and options.get("server_hostname") is None:
            options["server_hostname"] = host
        failures: list[OSError] = []
        for address in await self._lookups(host, port):
            try:
                return await super().create_connection(protocol_factory, address, port, **options)
            except ssl.SSLError:
                raise
            except OSError as error:
                failures.append(error)
        raise failures[0] if len(failures) == 1 else OSError("; ".join(map(str, failures)) or "no address")

    def close(self) -> None:
        """See `asyncio.loop.close`."""
        self._lookups.close()
        super().close()
