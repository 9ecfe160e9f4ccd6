"""What a backend's `list_changed` does: its listing is out of date, for the proxy or for one scope."""

from collections.abc import Callable
from typing import Final

from vmcp_proxy.core.attachments import Attachment
from vmcp_proxy.core.listings import Listings
from vmcp_proxy.core.members import Member
from vmcp_proxy.core.relay import CHANGED_KINDS
from vmcp_proxy.core.views import Views


class Changes:
    """Marks listings as out of date; `on_change` is called each time."""

    def __init__(self, listings: Listings, views: Views, on_change: Callable[[], None]) -> None:
        self._listings: Final = listings
        self._views: Final = views
        self._on_change: Final = on_change

    def heard(self, method: str, member: Member, attachment: Attachment) -> None:
        """Notes a notification that came for one client session: the scope of that session is out of date."""
        if method not in CHANGED_KINDS:
            return
        self._listings.invalidate(member, self._views.scope_for(member, attachment))
        self._views.changed()
        self._on_change()
