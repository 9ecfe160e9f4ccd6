import pytest
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend
from tests.support.serving import http_backend, load, running, url_of
async def test_smoke():
    async with ScriptedBackend().running() as one, running(load({"backends":[http_backend("one", one.port)]})) as proxy, RawClient(url_of(proxy)) as c:
        print(await c.open())
        print(await c.names())
        print(await c.call("one_echo"))
        print(one.heard)
        print(await c.delete())
        print(len(one.deletes))
