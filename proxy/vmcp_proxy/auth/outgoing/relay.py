"""The caller's own headers, shown to one backend that has no other credentials."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vmcp_proxy.auth.identity import Identity


@dataclass(frozen=True, slots=True)
class Relay:
    """Which headers of the caller go there, by canonical name; `audience` is what its tokens call the backend."""

    names: frozenset[str]
    audience: str | None = None

    def allows(self, identity: Identity) -> bool:
        """Whether this caller's headers may go there (ADR-0040).

        Where an authorization server vouches for the caller, its token has to be for the backend as well: a backend
        must not get what opens this endpoint, and the others behind it, from somebody who never meant it to.
        """
        if not identity.is_by_token:
            return True
        return self.audience is not None and self.audience in _audiences(identity.claims)


def _audiences(claims: Mapping[str, Any]) -> Iterator[object]:
    """`aud`, which is one text or many (RFC 7519 section 4.1.3)."""
    said = claims.get("aud")
    yield from said if isinstance(said, list | tuple) else (said,)
