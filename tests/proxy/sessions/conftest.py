"""A Redis per test module, emptied between tests, and one per test for outages."""

from collections.abc import Iterator

import pytest

from tests.support.redis_server import RedisServer, running


@pytest.fixture(scope="module")
def _module_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture
def redis_server(_module_redis: RedisServer) -> RedisServer:
    assert _module_redis.command("FLUSHALL") == b"+OK\r\n"
    return _module_redis


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with running(server):
        yield server
