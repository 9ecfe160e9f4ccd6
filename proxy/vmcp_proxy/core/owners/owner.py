"""Whose an operation's name is, by what is known now: a pure decision (ADR-0031)."""

from collections.abc import Callable

import msgspec

from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.ui_pages import SCHEME, parse_own_uri
from vmcp_proxy.core.targets import find_target
from vmcp_proxy.core.virtual import Operation
from vmcp_proxy.protocol.kinds import Kind


def resource_of(uri: str, backend: str, original: str | None = None) -> Capability:
    """A resource that nobody lists, so that its URI may be the caller's own words."""
    return Capability(Kind.RESOURCE, uri, backend, uri if original is None else original, b"")


def find_owner(catalog: Catalog, handed_out_by: Callable[[str], str | None], operation: Operation) -> Capability | None:
    """What the operation names, listed or not; None where nothing is known of it.

    A URI of our own says itself whose it is. Else that backend counts which handed the URI out to this client,
    whoever claims it. `ui://` URIs that others could claim are handed out under one of ours, so the list decides.
    """
    uri = operation.name
    if operation.kind is not Kind.RESOURCE:
        return find_target(catalog, operation)
    own = parse_own_uri(uri)
    if own is not None:
        return _page_of(catalog, uri, *own)
    listed = find_target(catalog, operation)
    owner = None if uri.startswith(SCHEME) else handed_out_by(uri)
    return listed if owner is None or (listed is not None and listed.backend == owner) else resource_of(uri, owner)


def _page_of(catalog: Catalog, uri: str, backend: str, original: str) -> Capability:
    """The page that a URI of ours stands for; whether it is listed, under whichever URI clients know it by now."""
    exposed = catalog.claims.exposed(backend, original)
    listed = find_target(catalog, Operation("", Kind.RESOURCE, exposed))
    if listed is not None and (listed.backend, listed.original) == (backend, original):
        return msgspec.structs.replace(listed, exposed=uri)
    return resource_of(uri, backend, original)
