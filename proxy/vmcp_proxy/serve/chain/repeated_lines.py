"""Audit lines of tool calls that differ from former ones in what each request has of its own, and in nothing else."""

import sys
import time
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.observability.audit import AuditEvent, Outcome, encode_event
from vmcp_proxy.observability.audit.line import chosen_texts
from vmcp_proxy.observability.audit.repeated import RepeatedEvent, UtcStamps
from vmcp_proxy.observability.audit.secrets import LEAST_SECRET, hides
from vmcp_proxy.observability.masking import Masks
from vmcp_proxy.protocol.methods import METHODS
from vmcp_proxy.serve.chain.sources import Network, source_of
from vmcp_proxy.serve.context import RequestContext

CREDENTIALS: Final = frozenset({b"authorization", b"proxy-authorization", b"cookie", b"mcp-session-id"})
"""Headers of clients whose values are secret."""

_MOST_LINES: Final = 2048
_LONGEST_LINE: Final = 2048
_MOST_NAMES: Final = 4096
_OK: Final = 200
_CALL: Final = "tools/call"

_Key: TypeAlias = tuple[str, str, str, str, str, str | None]


class _Kept(msgspec.Struct, frozen=True):
    """A line, and what has to be the same for it beside the key; `longest` are the characters of a name in it."""

    event: RepeatedEvent
    longest: int
    claims: Mapping[str, Any]
    decision: DecisionRecord | None


class RepeatedLines:
    """Remembers, within bounds, lines in which nothing has to be masked, and names that hold no secret.

    It is for events without content, written under the settings of one auditor: `secrets` are those that the config
    names. Only what successful calls of tools name is remembered, which lists have told: other names are the callers'.
    """

    __slots__ = ("_hide", "_kept", "_names", "_stamps", "_trusted")

    def __init__(self, secrets: Masks, trusted_proxies: tuple[Network, ...] = ()) -> None:
        self._hide: Final = hides(secrets)
        self._trusted: Final = trusted_proxies
        self._kept: Final[dict[_Key, _Kept]] = {}
        self._names: Final[set[str]] = set()
        self._stamps: Final = UtcStamps()

    def find(self, context: RequestContext) -> bytes | None:
        """The line of a request that is over, where that is known but for what the request has of its own."""
        key = self._key_of(context)
        kept = None if key is None else self._kept.get(key)
        if (
            kept is None
            or context.identity is None
            or kept.claims is not context.identity.claims
            or not _are_alike(kept.decision, context.decision)
            or _may_hold_credential(context, kept.longest)
        ):
            return None
        return kept.event.line(
            context.request_id,
            self._stamps.now(),
            context.session_ref,
            round((time.perf_counter() - context.started) * 1000, 3),
            len(context.body),
            context.bytes_out,
        )

    def encode(self, event: AuditEvent, context: RequestContext) -> bytes | None:
        """The line of an event in which nothing has to be masked; None where that is not known yet, or it is not so."""
        texts = chosen_texts(event)
        if texts is None or event.target.method not in METHODS:
            return None
        key = self._key_of(context)
        if key is not None:
            self._learn(texts)
        longest = max(map(len, texts))
        if not self._names.issuperset(texts) or _may_hold_credential(context, longest):
            return None
        try:
            line = encode_event(event)
            if key is not None and context.identity is not None:
                self._keep(key, _Kept(RepeatedEvent(event), longest, context.identity.claims, context.decision))
        except ValueError:
            # What cannot be written is the queue's to count.
            return None
        return line

    def _key_of(self, context: RequestContext) -> _Key | None:
        """What tells the events of successful calls apart; None for all others."""
        identity = context.identity
        if (
            context.rpc_method != _CALL
            or identity is None
            or not context.is_enriched
            or not _has_succeeded(context)
            or ((trace := context.trace) is not None and trace.trace_id)
        ):
            return None
        source = source_of(context.scope, self._trusted)
        via = context.via if context.called else ""
        return identity.issuer, identity.subject, context.target, via, context.backend, source

    def _keep(self, key: _Key, kept: _Kept) -> None:
        if len(kept.event) > _LONGEST_LINE:
            return
        if len(self._kept) >= _MOST_LINES:
            self._kept.clear()
        self._kept[key] = kept

    def _learn(self, texts: tuple[str, ...]) -> None:
        for text in texts:
            if text not in self._names and self._hide(text) == text:
                if len(self._names) >= _MOST_NAMES:
                    self._names.clear()
                self._names.add(text)


def _has_succeeded(context: RequestContext) -> bool:
    """Whether a request that is over has its answer, with nothing to say of how it came to it."""
    return (
        context.status == _OK
        and context.response_complete
        and not context.is_stream
        and (context.outcome is None or context.outcome is Outcome.SUCCESS)
        and context.reason is None
        and context.cut is None
        and not context.rejected_by
        and not context.has_gone
    )


def _are_alike(one: DecisionRecord | None, other: DecisionRecord | None) -> bool:
    """Whether two decisions are written alike, where arguments are not written."""
    if one is None or other is None:
        return one is other
    return (
        (one.decision is other.decision or one.decision == other.decision)
        and one.name == other.name
        and one.original == other.original
        and one.backend == other.backend
        and one.action == other.action
        and one.annotations == other.annotations
    )


def _may_hold_credential(context: RequestContext, longest: int) -> bool:
    """Whether a text of so many characters could hold the value of a header that stands in no log."""
    head = context.same_head
    least = None if head is None else head.least_credential
    if least is None:
        received = (value for name, value in context.scope["headers"] if name in CREDENTIALS)
        sizes = (size for value in received for size in _sizes_of(value))
        least = min((size for size in sizes if size >= LEAST_SECRET), default=sys.maxsize)
        if head is not None:
            head.least_credential = least
    if least <= longest:
        return True
    sent = () if context.sent_headers is EMPTY_SNAPSHOT else context.sent_headers.values()
    for value in sent:
        if LEAST_SECRET <= len(value) <= longest:
            return True
    for credentials in context.credentials:
        for _, value in credentials.latest:
            if any(LEAST_SECRET <= size <= longest for size in _sizes_of(value)):
                return True
    return False


def _sizes_of(value: bytes) -> tuple[int, int]:
    """Of a credential with its scheme, and without."""
    return len(value), len(value.partition(b" ")[2])
