"""What a backend's `list_changed` does: its listing is out of date for one scope, on every pod (ADR-0018)."""

from collections.abc import Callable
from typing import Final

from vmcp_proxy.core.calls.notifications import CHANGED_KINDS
from vmcp_proxy.core.calls.views import Views
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.listings.cache import Listings
from vmcp_proxy.core.listings.scopes import Scope
from vmcp_proxy.core.members.member import Member


class Changes:
    """Marks listings as out of date; `on_change` is called each time."""

    def __init__(self, listings: Listings, views: Views, on_change: Callable[[], None]) -> None:
        self._listings: Final = listings
        self._views: Final = views
        self._on_change: Final = on_change

    def heard(self, method: str, member: Member, client: ClientContext) -> None:
        """Notes a notification that came for one client: the scope of that client is out of date.

        The other pods have not heard it where the client's own headers stand behind that scope.
        """
        if method not in CHANGED_KINDS:
            return
        if not self._out_of_date(member, client).is_public:
            client.lists_changed(member.name)

    def heard_elsewhere(self, client: ClientContext, backend: str) -> None:
        """Notes one that another pod has heard; it may still serve a backend that this one does not."""
        if (member := self._views.member(backend)) is not None:
            self._out_of_date(member, client)

    def _out_of_date(self, member: Member, client: ClientContext) -> Scope:
        scope = self._views.scope_for(member, client)
        self._listings.invalidate(member, scope)
        self._views.changed()
        self._on_change()
        return scope
