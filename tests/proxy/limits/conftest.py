"""Redis for the tests of shared buckets."""

from tests.proxy.sessions.conftest import _module_redis, own_redis, redis_server

__all__ = ["_module_redis", "own_redis", "redis_server"]
