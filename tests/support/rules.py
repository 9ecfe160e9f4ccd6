"""Admission by a short list of rules: who may do what to which names."""

import re
from collections.abc import Iterator
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Final

import msgspec

from tests.support.policies import NamePolicy
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.uri_template import expand_all
from vmcp_proxy.core.policy.questions import Action
from vmcp_proxy.protocol.kinds import Kind

_HOLE: Final = "\x00"
_PROBES: Final = ("", _HOLE, _HOLE * 3)
_STAR: Final = "*"
_ANY: Final = "?"
_PATTERN_TOKEN: Final = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


class Effect(StrEnum):
    """What a rule that fits does."""

    PERMIT = "permit"
    FORBID = "forbid"


class Rule(msgspec.Struct, frozen=True, gc=False):
    """Fits where each of its three lists does; an empty list fits everything.

    `subjects` and `names` are shell patterns (`*`, `?`, `[…]`) that must cover the whole subject of the
    identity and the whole exposed name or URI; case counts.
    """

    effect: Effect
    subjects: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    names: tuple[str, ...] = ()


class RuleBased(NamePolicy):
    """Admits what some rule permits and none forbids; without a rule that fits, nothing."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self.version = blake2b(msgspec.msgpack.encode(rules), digest_size=16).hexdigest()

    def admits(self, identity: Identity, action: Action, capability: Capability | None, name: str) -> bool:
        fits = [rule for rule in self._rules if _is_about(rule, identity, action)]
        is_any = capability is not None and capability.kind is Kind.TEMPLATE and name == capability.exposed
        covers = _covers_all_of if is_any else _covers
        touches = _may_cover_some_of if is_any else _covers
        if any(rule.effect is Effect.FORBID and covers(rule, name) for rule in fits):
            return False
        return any(rule.effect is Effect.PERMIT and touches(rule, name) for rule in fits)


def _is_about(rule: Rule, identity: Identity, action: Action) -> bool:
    if rule.actions and action not in rule.actions:
        return False
    return not rule.subjects or any(fnmatchcase(identity.subject, pattern) for pattern in rule.subjects)


def _covers(rule: Rule, name: str) -> bool:
    return not rule.names or any(fnmatchcase(name, pattern) for pattern in rule.names)


def _covers_all_of(rule: Rule, template: str) -> bool:
    """Whether one pattern covers every expansion: tried on expansions that only a `*` covers together.

    A pattern with a set is never taken for one that does: a list may show too much, never hide too much.
    """
    return not rule.names or any(
        "[" not in pattern and all(fnmatchcase(expand_all(template, probe), pattern) for probe in _PROBES)
        for pattern in rule.names
    )


def _may_cover_some_of(rule: Rule, template: str) -> bool:
    """Whether a pattern can cover an expansion; expressions are taken for any text, sets for any character."""
    shape = tuple(_STAR if char == _HOLE else f"={char}" for char in expand_all(template, _HOLE))
    return not rule.names or any(_can_meet(shape, _pattern_tokens(pattern)) for pattern in rule.names)


def _pattern_tokens(pattern: str) -> tuple[str, ...]:
    return tuple(
        token if token in (_STAR, _ANY) else _ANY if len(token) > 1 else f"={token}"
        for token in _PATTERN_TOKEN.findall(pattern)
    )


def _can_meet(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Whether some text fits both; each is a row of `*`, `?` and `=<character>`."""
    open_pairs = [(0, 0)]
    seen = set(open_pairs)
    while open_pairs:
        i, j = open_pairs.pop()
        if i == len(left) and j == len(right):
            return True
        for pair in _steps(left, i, right, j):
            if pair not in seen:
                seen.add(pair)
                open_pairs.append(pair)
    return False


def _steps(left: tuple[str, ...], i: int, right: tuple[str, ...], j: int) -> Iterator[tuple[int, int]]:
    mine = left[i] if i < len(left) else ""
    other = right[j] if j < len(right) else ""
    if _STAR in (mine, other):
        if mine:
            yield i + 1, j
        if other:
            yield i, j + 1
    elif mine and other and (mine == other or _ANY in (mine, other)):
        yield i + 1, j + 1
