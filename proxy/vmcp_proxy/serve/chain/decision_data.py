"""What an audit event says of a policy decision, and how much of the caller and the call with it (ADR-0042)."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec

from vmcp_api.config import ProxyConfig
from vmcp_proxy.auth.claims import find_claim
from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.observability.audit import PolicyDecision
from vmcp_proxy.observability.audit.secrets import SECRET_NAME, is_secret_name
from vmcp_proxy.observability.masking import Masks
from vmcp_proxy.protocol.annotations import hints_of
from vmcp_proxy.protocol.surrogates import decode_members

_LONGEST: Final = 1024
_SECRET: Final = re.compile(SECRET_NAME.pattern.encode(), SECRET_NAME.flags & re.IGNORECASE)
_LOOKS: Final = Masks(())
_NAMES: Final = json.JSONDecoder(object_pairs_hook=lambda pairs: [name for name, _ in pairs])
"""Of an object its names, repeated ones too, which the other decoder knows once."""


@dataclass(frozen=True, slots=True)
class DecisionData:
    """`claims` are the names of those that are written, `most` the bytes of each kind of data in one event."""

    claims: tuple[str, ...] = ()
    has_arguments: bool = False
    most: int = 4096

    @classmethod
    def of(cls, config: ProxyConfig) -> Self:
        """What the config wants: claims with the callers' groups always, for they are what policies mostly ask."""
        audit, authorization = config.config.audit, config.authorization
        groups = authorization.group_claims if authorization is not None else ()
        names = tuple(dict.fromkeys((*groups, *audit.include_claims)))
        return cls(names, audit.include_request_data, audit.max_data_size)

    def describe(self, record: DecisionRecord, identity: Identity | None) -> PolicyDecision:
        """The decision as it stands in the event."""
        decision = record.decision
        arguments, masked = self._arguments(record.arguments) if self.has_arguments else (msgspec.UNSET, ())
        return PolicyDecision(
            decision.outcome,
            decision.policies,
            decision.errors,
            decision.mode,
            record.action,
            _shortened(record.name),
            msgspec.UNSET if record.original is None else _shortened(record.original),
            msgspec.UNSET if record.backend is None else record.backend,
            hints_of(record.annotations) or msgspec.UNSET,
            msgspec.UNSET if identity is None else self._claims(identity),
            arguments,
            masked or msgspec.UNSET,
        )

    def _claims(self, identity: Identity) -> dict[str, Any] | msgspec.UnsetType:
        claims = {name: find_claim(identity.claims, name) for name in self.claims}
        return claims if claims and len(_encode(claims)) <= self.most else msgspec.UNSET

    def _arguments(self, raw: bytes | None) -> tuple[dict[str, msgspec.Raw] | msgspec.UnsetType, tuple[str, ...]]:
        """The arguments, and the names of those that are left out, for what is written of them is read by many."""
        if raw is None:
            return {}, ()
        if len(raw) > self.most:
            return msgspec.UNSET, ()
        try:
            members = decode_members(raw)
            repeated = _repeated(raw)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return msgspec.UNSET, ()
        masked = tuple(name for name, value in members.items() if name in repeated or _is_secret(name, bytes(value)))
        return {name: _on_one_line(value) for name, value in members.items() if name not in masked}, masked


def _repeated(raw: bytes) -> set[str]:
    """The arguments that were sent more than once: which of their values counts each backend decides for itself."""
    counts = Counter(_NAMES.decode(raw.decode()))
    return {name for name, count in counts.items() if count > 1}


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "…"


def _on_one_line(value: msgspec.Raw) -> msgspec.Raw:
    """In JSON a line can end between values only, never inside a text."""
    return msgspec.Raw(bytes(value).replace(b"\n", b" ").replace(b"\r", b" "))


def _is_secret(name: str, value: bytes) -> bool:
    """Whether the name says so, or one inside the value, or the form of a text in it."""
    if is_secret_name(name) or _SECRET.search(value):
        return True
    text = value.decode(errors="replace")
    return _LOOKS.apply(text) != text


NO_DATA: Final = DecisionData()
_encode: Final = msgspec.json.encode
