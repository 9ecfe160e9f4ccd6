"""What is kept of listings when there are too many."""

import asyncio
from types import SimpleNamespace

from vmcp_proxy.core import listings
from vmcp_proxy.core.capabilities import Descriptor, Kind, Listing
from vmcp_proxy.core.circuit import Circuit
from vmcp_proxy.core.health import HealthTracker
from vmcp_proxy.core.listings import SHARED, Listings


def a_member(name):
    return SimpleNamespace(name=name, health=HealthTracker(3), circuit=Circuit(), attention=asyncio.Event())


async def test_what_clients_send_never_pushes_out_what_the_proxy_itself_sees(monkeypatch):
    monkeypatch.setattr(listings, "_MAX_ENTRIES", 3)
    kept = Listings(None, lambda: None)
    one, two = a_member("one"), a_member("two")
    shared = kept.entry(one, SHARED), kept.entry(two, SHARED)
    first = kept.entry(one, "scope 0")
    for number in range(1, 10):
        kept.entry(one, f"scope {number}")
    assert (kept.entry(one, SHARED), kept.entry(two, SHARED)) == shared
    assert kept.entry(one, "scope 0") is not first


async def test_callers_that_see_the_same_share_one_copy():
    kept = Listings(None, lambda: None)
    one = a_member("one")

    def listing():
        return Listing("one", tools=(Descriptor(Kind.TOOL, "echo", b"{}"),))

    for scope in (SHARED, "scope"):
        kept._succeeded(kept.entry(one, scope), one.circuit.admit(0.0), listing(), 0.0)
    assert kept.entry(one, "scope").listing is kept.entry(one, SHARED).listing
