import asyncio

import pytest
import uvloop

from vmcp_proxy.http_client import HttpClient


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client():
    client = HttpClient()
    yield client
    await client.aclose()
