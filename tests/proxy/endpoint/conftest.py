"""Redis for the tests of two pods, and a supervisor that does not take its time."""

import pytest

from tests.proxy.sessions.conftest import _module_redis, own_redis, redis_server
from vmcp_proxy.core.group import supervisor

__all__ = ["_module_redis", "own_redis", "redis_server"]


@pytest.fixture
def doubts_are_settled_soon(monkeypatch):
    monkeypatch.setattr(supervisor, "DOUBT_PAUSE", 0.01)
