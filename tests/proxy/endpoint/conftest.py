"""One Redis for the tests of two pods, emptied between them, and one of its own for outages."""

from tests.proxy.sessions.conftest import _module_redis, own_redis, redis_server

__all__ = ["_module_redis", "own_redis", "redis_server"]
