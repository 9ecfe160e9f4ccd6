"""The Redis service of a config: one for the whole process, whoever keeps something there."""

from dataclasses import dataclass
from typing import Final

from vmcp_api.config.sessions import StorageConfig
from vmcp_api.spec.sessions import RedisMode
from vmcp_proxy.redis_client.addresses import parse_addresses
from vmcp_proxy.redis_client.causes import RedisCauses
from vmcp_proxy.redis_client.connect import RedisEndpoint, RedisLink, connect

_PORTS: Final = {RedisMode.STANDALONE: 6379, RedisMode.SENTINEL: 26379, RedisMode.CLUSTER: 6379}


@dataclass(frozen=True, slots=True)
class RedisService:
    """The connections, words for what ails them, and what every key begins with."""

    link: RedisLink
    causes: RedisCauses
    key_prefix: str


def build_service(
    storage: StorageConfig, *, password: bytes | None = None, sentinel_password: bytes | None = None
) -> RedisService:
    """The service that a config asks for; it does not connect yet.

    The passwords are the contents of the Secret keys that `passwordRef` and `sentinelPasswordRef` name; a trailing
    line break is no part of them. Where one is named and absent, nothing connects until the link gets it.

    Raises:
        BadAddressError: the address is absent or malformed.
    """
    endpoint = RedisEndpoint(
        addresses=parse_addresses(storage.address or "", _PORTS[storage.mode]),
        mode=storage.mode,
        master_name=storage.master_name,
        db=storage.db,
        username=storage.username,
        needs_password=storage.password_ref is not None or password is not None,
        sentinel_username=storage.sentinel_username,
        needs_sentinel_password=storage.sentinel_password_ref is not None or sentinel_password is not None,
        tls=storage.tls.enabled,
        ca=storage.tls.ca_bundle,
    )
    link = connect(endpoint)
    link.take_passwords(_password(password), _password(sentinel_password))
    return RedisService(link, RedisCauses(storage.tls.enabled, storage.key_prefix), storage.key_prefix)


def _password(content: bytes | None) -> bytes | None:
    return None if content is None else content.rstrip(b"\r\n")
