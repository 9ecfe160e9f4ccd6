"""A Redis of a test's own, for what must not need one."""

from tests.proxy.sessions.conftest import own_redis

__all__ = ["own_redis"]
