"""What this process holds for one client, whichever way it speaks to us."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.link import Link
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.ui_pages import NO_CLAIMS
from vmcp_proxy.core.client import BuiltView
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.owners.handed_out import HandedOut
from vmcp_proxy.headerforward import Collision, HeaderSnapshot


@dataclass(slots=True, eq=False, kw_only=True)
class HeldForClient:
    """The part of a `ClientContext` that is made of the client's headers and requests, and dies with them.

    `handed_out` has the resources that results of its calls link to, once there are any; `subscriptions` are what it
    has subscribed to, without descriptors, by backend and the backend's own URIs.
    """

    links: dict[str, Link] = field(default_factory=dict)
    credentials: dict[str, tuple[Member, Identity, HeaderSnapshot, Credentials | Collision]] = field(
        default_factory=dict, repr=False
    )
    view: BuiltView | None = field(default=None, repr=False)
    subscriptions: dict[str, dict[str, Capability]] = field(default_factory=dict)
    handed_out: HandedOut | None = None
    last_found: tuple[str, ...] = ()

    @property
    def itself(self) -> Self:
        """See `ClientContext.itself`."""
        return self

    def credentials_for(self, member: Member, identity: Identity, snapshot: HeaderSnapshot) -> Credentials | Collision:
        """See `ClientContext.credentials_for`."""
        known = self.credentials.get(member.name)
        if known is not None and known[0] is member and known[1] is identity and known[2] is snapshot:
            return known[3]
        credentials = member.credentials_for(identity, snapshot)
        self.credentials[member.name] = (member, identity, snapshot, credentials)
        return credentials

    def uri_of(self, backend: str) -> Callable[[str], str]:
        """See `ClientContext.uri_of`; where the catalog has given way, what was subscribed to is known still."""
        catalog = None if self.view is None else self.view.catalog
        if catalog is not None:
            claims = catalog.claims
            return lambda uri: claims.exposed(backend, uri)
        subscribed = self.subscriptions.get(backend, {})

        def known(uri: str) -> str:
            resource = subscribed.get(uri)
            is_itself = resource is not None and resource.original == uri
            return resource.exposed if resource is not None and is_itself else NO_CLAIMS.exposed(backend, uri)

        return known

    def handed_out_by(self, uri: str) -> str | None:
        """See `ClientContext.handed_out_by`."""
        return None if self.handed_out is None else self.handed_out.owner(uri)

    def note_handed_out(self, uris: Iterable[str], backend: str) -> None:
        """See `ClientContext.note_handed_out`."""
        if self.handed_out is None:
            self.handed_out = HandedOut()
        self.handed_out.note(uris, backend)

    def let_go(self) -> None:
        """Forgets all that was made of the client's headers; whoever has the links ends them."""
        self.links.clear()
        self.credentials.clear()
        self.handed_out = None
        self.last_found = ()
        self.view = None
