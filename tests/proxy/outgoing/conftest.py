"""Redis for the tests of two pods."""

from tests.proxy.sessions.conftest import _module_redis, redis_server

__all__ = ["_module_redis", "redis_server"]
