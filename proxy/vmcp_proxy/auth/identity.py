"""Who a request comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final


def _no_claims() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, named by issuer and subject; anonymous ones differ by having sent `Authorization`.

    `repr` shows neither subject nor claims: they are personal data.
    """

    issuer: str
    subject: str = field(repr=False)
    has_authorization: bool = False
    claims: Mapping[str, Any] = field(default_factory=_no_claims, repr=False, compare=False, hash=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody vouches for this caller."""
        return self.issuer == "anonymous"


ANONYMOUS: Final = Identity("anonymous", "anonymous")
ANONYMOUS_WITH_AUTHORIZATION: Final = Identity("anonymous", "anonymous", has_authorization=True)
