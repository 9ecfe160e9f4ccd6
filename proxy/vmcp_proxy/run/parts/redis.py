"""The process's one way to Redis, for all who keep something there."""

from typing import TYPE_CHECKING

from vmcp_api.spec.sessions import StorageProvider
from vmcp_proxy.run.loading import Loaded

if TYPE_CHECKING:
    from vmcp_proxy.redis_client.service import RedisService


def build_redis(loaded: Loaded) -> "RedisService | None":
    """That of this config until the process ends; None where everything is kept in memory. It does not connect yet."""
    storage = loaded.config.session_storage
    if storage.provider is StorageProvider.MEMORY:
        return None
    # Redis' client costs 12 MiB and a third of a second, which most processes have no use for.
    from vmcp_proxy.redis_client.service import build_service  # noqa: PLC0415

    references = (storage.password_ref, storage.sentinel_password_ref)
    password, sentinel_password = (loaded.value(ref) if ref is not None else None for ref in references)
    return build_service(storage, password=password, sentinel_password=sentinel_password)
