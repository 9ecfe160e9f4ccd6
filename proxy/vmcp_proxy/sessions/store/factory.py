"""The store that a config asks for."""

import re
from typing import Final

from vmcp_api.config.sessions import StorageConfig
from vmcp_api.spec.sessions import RedisMode, StorageProvider
from vmcp_proxy.sessions.store.memory import MemoryStore
from vmcp_proxy.sessions.store.protocol import SessionStore

_PORTS: Final = {RedisMode.STANDALONE: 6379, RedisMode.SENTINEL: 26379, RedisMode.CLUSTER: 6379}
_PORT_END: Final = 1 << 16
_ADDRESS: Final = re.compile(r"(\[(?P<bracketed>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]]+))(:(?P<port>[0-9]{1,5}))?")


class BadAddressError(ValueError):
    """`sessionStorage.address` does not say where Redis is."""

    def __init__(self, address: str) -> None:
        super().__init__(f"sessionStorage.address {address!r}: write host:port, several separated by commas")
        self.address = address


def build_store(
    storage: StorageConfig, *, scope: str, password: bytes | None = None, sentinel_password: bytes | None = None
) -> SessionStore:
    """The store for one VirtualMCPServer, `scope` being `<namespace>/<name>`; it does not connect yet.

    The passwords are the contents of the Secret keys that `passwordRef` and `sentinelPasswordRef` name; a trailing
    line break is no part of them.

    Raises:
        BadAddressError: Redis is asked for and the address is absent or malformed.
    """
    if storage.provider is StorageProvider.MEMORY:
        return MemoryStore()
    # Redis' client costs 12 MiB and a third of a second, which most processes have no use for.
    from vmcp_proxy.redis_client.causes import RedisCauses  # noqa: PLC0415
    from vmcp_proxy.redis_client.connect import RedisEndpoint, connect  # noqa: PLC0415
    from vmcp_proxy.sessions.store.redis import RedisStore  # noqa: PLC0415

    endpoint = RedisEndpoint(
        addresses=parse_addresses(storage.address or "", _PORTS[storage.mode]),
        mode=storage.mode,
        master_name=storage.master_name,
        db=storage.db,
        username=storage.username,
        password=_password(password),
        sentinel_username=storage.sentinel_username,
        sentinel_password=_password(sentinel_password),
        tls=storage.tls.enabled,
        ca=storage.tls.ca_bundle,
    )
    causes = RedisCauses(storage.tls.enabled, storage.key_prefix)
    return RedisStore(connect(endpoint), causes, prefix=f"{storage.key_prefix}{scope}:")


def _password(content: bytes | None) -> bytes | None:
    return None if content is None else content.rstrip(b"\r\n")


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
