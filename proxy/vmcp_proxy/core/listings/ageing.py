"""Lets go of what only callers saw who have not come for long (ADR-0067)."""

import asyncio
from collections.abc import Callable
from typing import Final

from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.listings.cache import Listings

_LONGEST_TICK: Final = 15.0
"""Seconds after which another config is followed at the latest."""


class Ageing:
    """Has listings and catalogs go that nobody has used for as long as a session may be idle.

    The proxy looks at them once in that time, or in that for which a listing is fresh where that is longer: what
    nobody has used since the look before goes, so that it takes no more than twice as long. `note_use` has count as
    used what those know who are there and say nothing.
    """

    def __init__(self, listings: Listings, budget: CatalogBudget, note_use: Callable[[], None]) -> None:
        self._listings: Final = listings
        self._budget: Final = budget
        self._note_use: Final = note_use
        self._idle = SessionManagement().ttl

    def configure(self, settings: SessionManagement) -> None:
        """Follows another config."""
        self._idle = settings.ttl

    async def run(self) -> None:
        """Looks, for ever."""
        loop = asyncio.get_running_loop()
        looked_at = loop.time()
        while True:
            await asyncio.sleep(min(self._idle, _LONGEST_TICK))
            if loop.time() - looked_at >= max(self._idle, self._listings.ttl):
                looked_at = loop.time()
                self.look()

    def look(self) -> None:
        """Has what nobody has used since the last look go."""
        self._note_use()
        self._listings.drop_unused()
        self._budget.drop_unused()
