"""Credentials that stand in a Secret: a header as it is, or a bearer token."""

from dataclasses import dataclass, field
from typing import Final, Self

from vmcp_api.secret import SecretBytes

AUTHORIZATION: Final = "Authorization"
_SCHEME: Final = b"Bearer "


@dataclass(frozen=True, slots=True)
class FixedHeader:
    """One header, the same for every caller."""

    name: str
    value: SecretBytes = field(repr=False)

    @classmethod
    def bearer(cls, token: SecretBytes) -> Self:
        """The header of a bearer token (RFC 6750 section 2.1), whether or not the scheme stands before it."""
        value = token.reveal().strip()
        bare = value[len(_SCHEME) :].lstrip() if value[: len(_SCHEME)].lower() == _SCHEME.lower() else value
        return cls(AUTHORIZATION, SecretBytes(_SCHEME + bare))

    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """What every request carries."""
        return ((self.name, self.value.reveal()),)
