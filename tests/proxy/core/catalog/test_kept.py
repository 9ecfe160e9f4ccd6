"""Which catalogs are kept although nobody sees them just now."""

import gc
import weakref

from tests.proxy.search.layers import catalog_of
from vmcp_proxy.core.catalog.kept import KeptCatalogs


def sized(size: int):
    return catalog_of({"name": "a", "description": "x" * size})


def test_the_latest_catalogs_are_kept_so_many_and_so_large_together():
    kept = KeptCatalogs(most=4, most_bytes=10_000)
    refs = []
    for _ in range(6):
        catalog = sized(10)
        refs.append(weakref.ref(catalog))
        kept.add(catalog)
    del catalog
    gc.collect()
    assert [ref() is not None for ref in refs] == [False, False, True, True, True, True]
    kept.add(sized(7_000))
    assert len(kept) == 4
    kept.add(sized(7_000))
    # The last two stay however large.
    assert len(kept) == 2
    kept.add(sized(10))
    assert len(kept) == 2
    kept.add(sized(10))
    assert len(kept) == 3
    kept.clear()
    gc.collect()
    assert not any(ref() for ref in refs)
    kept.add(sized(9_000))
    kept.add(sized(10))
    assert len(kept) == 2
