"""What keeps a caller out before any of the steps: tokens that are not there, or not good enough."""

from collections.abc import Iterator

from vmcp_api.spec.incoming import IncomingAuth
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.oidc.claims import are_held


def notes_on_coming_in(identity: Identity, incoming: IncomingAuth) -> Iterator[str]:
    """What a reader should know of a caller at an endpoint that asks for tokens; nobody checks the claims."""
    oidc = incoming.oidc
    if oidc is None:
        return
    if identity.is_anonymous:
        yield "this endpoint asks for tokens: without one a caller gets 401; say who is meant by --as or --claims"
        return
    if identity.issuer not in ("", oidc.issuer):
        yield f"this endpoint takes tokens of {oidc.issuer} alone: with this one a caller gets 401"
    # Whoever is named by --as alone is meant as somebody who comes in.
    if identity.claims.keys() - {"sub", "iss"} and not are_held(frozenset(oidc.scopes), identity.scopes):
        scopes = " ".join(oidc.scopes)
        yield f"this endpoint requires the scopes {scopes}: with these claims a caller gets 403 insufficient_scope"
