"""What clients are told of the endpoint as a protected resource, and where (RFC 9728)."""

import re
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

from vmcp_api.spec.incoming import IncomingAuth

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"

_LEAST_SCOPES: Final = ("openid",)
"""What clients are told to ask for where no scope is needed. Told nothing, some ask for all that the issuer has, among
them the MCP SDK for Python, and Keycloak refuses those."""

_SCHEMES: Final = frozenset({b"http", b"https"})
_AUTHORITY: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class RequestAddress:
    """How a request has found this endpoint: `Host`, and the scheme that an ingress in front of it may tell."""

    host: bytes | None
    forwarded_proto: bytes | None = None


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """One endpoint that asks for tokens of an issuer.

    `url` is what clients know it by; where it is empty, each request's own address is, at `path`. That address is the
    client's word, and told to nobody else.
    """

    issuer: str
    path: str
    scopes: tuple[str, ...] = ()
    url: str = ""

    @classmethod
    def of(cls, settings: IncomingAuth, path: str) -> Self | None:
        """The resource that some settings make of an endpoint at a path; None where nobody asks for tokens."""
        oidc = settings.oidc
        return None if oidc is None else cls(oidc.issuer, path, oidc.wanted_scopes, oidc.resource_url or "")

    def url_for(self, address: RequestAddress) -> str | None:
        """The identifier of the resource (section 1.2); None where the request does not tell it."""
        if self.url:
            return self.url
        host = (address.host or b"").decode("latin-1")
        if not _AUTHORITY.fullmatch(host):
            return None
        # Without an ingress that says otherwise, what came here came without TLS.
        forwarded = (address.forwarded_proto or b"").strip().lower()
        scheme = forwarded.decode("ascii") if forwarded in _SCHEMES else "http"
        return f"{scheme}://{host}{self.path}"

    def metadata_url(self, address: RequestAddress) -> str:
        """Where the document is (section 3): between host and path of the resource; empty where that is not known."""
        resource = self.url_for(address)
        if resource is None:
            return ""
        parts = urlsplit(resource)
        return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"

    def is_document(self, path: str) -> bool:
        """Whether the document is at a path here: at that of its URL too, for an ingress that keeps paths."""
        known = (WELL_KNOWN, WELL_KNOWN + self.path, WELL_KNOWN + urlsplit(self.url).path)
        return path.rstrip("/") in {each.rstrip("/") for each in known}

    def document(self, address: RequestAddress) -> dict[str, Any] | None:
        """The metadata (section 2); None where the request does not tell what the resource is."""
        resource = self.url_for(address)
        if resource is None:
            return None
        return {
            "resource": resource,
            "authorization_servers": (self.issuer,),
            "scopes_supported": self.scopes or _LEAST_SCOPES,
            "bearer_methods_supported": ("header",),
        }
