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

    service = build_service(storage)
    configure_redis(service, loaded)
    return service


def configure_redis(service: "RedisService | None", loaded: Loaded) -> None:
    """Has what connects from now on use the passwords of now: the rest of the storage is that of the start."""
    if service is not None:
        storage = loaded.config.session_storage
        service.link.take_passwords(loaded.usable(storage.password_ref), loaded.usable(storage.sentinel_password_ref))
