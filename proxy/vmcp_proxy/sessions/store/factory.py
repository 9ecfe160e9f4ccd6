"""The store that a config asks for."""

from typing import TYPE_CHECKING

from vmcp_proxy.sessions.store.memory import MemoryStore
from vmcp_proxy.sessions.store.protocol import SessionStore

if TYPE_CHECKING:
    from vmcp_proxy.redis_client.service import RedisService


def build_store(redis: "RedisService | None", scope: str) -> SessionStore:
    """The store for one VirtualMCPServer, `scope` being `<namespace>/<name>`; in memory where there is no Redis."""
    if redis is None:
        return MemoryStore()
    # Redis' client costs 12 MiB and a third of a second, which most processes have no use for.
    from vmcp_proxy.sessions.store.redis import RedisStore  # noqa: PLC0415

    return RedisStore(redis, scope)
