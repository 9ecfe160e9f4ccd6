"""What has been made for single callers, kept for as long as their tokens say the same."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from vmcp_proxy.auth.claims import are_same
from vmcp_proxy.auth.identity import Identity

ValueT = TypeVar("ValueT")


class _Kept(msgspec.Struct, Generic[ValueT], frozen=True):
    claims: Mapping[str, Any]
    scopes: frozenset[str]
    value: ValueT


class ByIdentity(Generic[ValueT]):
    """Values by version and identity, at most so many: those asked for longest ago give way.

    Identities are equal by issuer and subject alone: a value is for a token that says the same as when it was made.
    """

    def __init__(self, most: int = 1024) -> None:
        self._most: Final = most
        self._kept: Final[OrderedDict[tuple[str, Identity], _Kept[ValueT]]] = OrderedDict()

    def find(self, version: str, identity: Identity) -> ValueT | None:
        """The value that was kept, where it still holds."""
        key = (version, identity)
        kept = self._kept.get(key)
        if kept is None or kept.scopes != identity.scopes or not are_same(kept.claims, identity.claims):
            return None
        self._kept.move_to_end(key)
        return kept.value

    def keep(self, version: str, identity: Identity, value: ValueT) -> None:
        """Keeps a value; with the caller alone, for what is kept beyond the session must not keep its token."""
        key = (version, identity.caller)
        self._kept[key] = _Kept(identity.claims, identity.scopes, value)
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
