"""Where session metadata lives and how long."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import Model, Seconds
from vmcp_api.spec.references import KeyRef


class StorageProvider(StrEnum):
    """Where session metadata lives."""

    MEMORY = "memory"
    REDIS = "redis"


class RedisMode(StrEnum):
    """How the Redis service is laid out."""

    STANDALONE = "standalone"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class RedisTls(Model):
    """TLS to Redis."""

    enabled: Annotated[bool, Field(description="Whether to use TLS.")] = False
    ca_bundle_ref: Annotated[
        KeyRef | None, Field(description="ConfigMap key with the CA certificates; absent uses the system's.")
    ] = None


class SessionStorage(Model):
    """The shared store of session metadata; header values never go there."""

    provider: Annotated[StorageProvider, Field(description="`memory` serves one replica, `redis` many.")] = (
        StorageProvider.MEMORY
    )
    address: Annotated[
        str | None,
        Field(
            max_length=1024,
            description=(
                "`host:port`; several separated by commas for Sentinel and Cluster. Without a port 6379, of "
                "Sentinels 26379."
            ),
        ),
    ] = None
    db: Annotated[int, Field(ge=0, le=1023, description="Database number (standalone and Sentinel).")] = 0
    key_prefix: Annotated[str, Field(min_length=1, max_length=128, description="What every key begins with.")] = (
        "vmcp:session:"
    )
    mode: Annotated[RedisMode, Field(description="Layout of the Redis service.")] = RedisMode.STANDALONE
    master_name: Annotated[str | None, Field(max_length=128, description="Name of the Sentinel master.")] = None
    username: Annotated[
        str | None,
        Field(
            max_length=128,
            description=(
                "ACL user. It needs the keys and channels that begin with `keyPrefix` and the commands eval, evalsha, "
                "time, hset, hdel, hmget, hgetall, del, pexpire, publish, subscribe and ping; in a Cluster also "
                "command and cluster slots."
            ),
        ),
    ] = None
    password_ref: Annotated[KeyRef | None, Field(description="Secret key with the password.")] = None
    sentinel_username: Annotated[
        str | None,
        Field(max_length=128, description="ACL user of the Sentinels; it needs the command sentinel masters."),
    ] = None
    sentinel_password_ref: Annotated[
        KeyRef | None, Field(description="Secret key with the Sentinels' password; they never get `passwordRef`.")
    ] = None
    tls: Annotated[RedisTls, Field(description="TLS to Redis.")] = RedisTls()


class SessionManagement(Model):
    """Lifetimes and caps of sessions."""

    ttl: Annotated[Seconds, Field(gt=0, le=604800, description="Idle time after which a session ends.")] = 1800.0
    max_lifetime: Annotated[
        Seconds, Field(gt=0, le=2592000, description="Age at which a session ends whatever it does.")
    ] = 86400.0
    max_sessions_per_pod: Annotated[int, Field(ge=1, le=1_000_000, description="Most live sessions on a pod.")] = 10_000
    max_sessions_per_identity: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="Most live sessions of one caller on a pod.")
    ] = None
