"""Whether expansions of a URI template, or names that begin alike, can fit a pattern of Cedar's `like`, or all do."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, TypeAlias

from cedarpy import pst

from vmcp_proxy.core.catalog.uri_template import can_expand_to, expand_all

Pattern: TypeAlias = tuple[str | None, ...]
"""Characters, and None where any text may stand."""

_HOLE: Final = "\x00"
_PROBES: Final = ("", _HOLE, _HOLE * 3)


def pattern_of(elements: tuple[pst.PatternElem, ...]) -> Pattern:
    """The pattern of a `like`."""
    return tuple(element.value if isinstance(element, pst.Char) else None for element in elements)


@lru_cache(maxsize=1024)
def covers_some(pattern: Pattern, template: str) -> bool:
    """Whether some expansion may fit; an expression of the template is taken for any text."""
    if None not in pattern:
        return can_expand_to(template, "".join(part or "" for part in pattern))
    return _meet(tuple(None if char == _HOLE else char for char in expand_all(template, _HOLE)), pattern)


@lru_cache(maxsize=1024)
def covers_all(pattern: Pattern, template: str) -> bool:
    """Whether every expansion fits: tried on expansions that only a `*` covers together."""
    shape = _shape_of(pattern)
    return all(shape.fullmatch(expand_all(template, probe)) for probe in _PROBES)


@lru_cache(maxsize=1024)
def covers_some_after(pattern: Pattern, beginning: str) -> bool:
    """Whether some text that begins like this fits."""
    return _meet((*beginning, None), pattern)


@lru_cache(maxsize=1024)
def covers_all_after(pattern: Pattern, beginning: str) -> bool:
    """Whether every text that begins like this fits."""
    shape = _shape_of(pattern)
    return all(shape.fullmatch(beginning + probe) for probe in _PROBES)


def _shape_of(pattern: Pattern) -> re.Pattern[str]:
    return re.compile("".join(".*" if part is None else re.escape(part) for part in pattern), re.DOTALL)


def _meet(shape: Pattern, pattern: Pattern) -> bool:
    """Whether some text fits both."""
    open_pairs = [(0, 0)]
    seen = set(open_pairs)
    while open_pairs:
        i, j = open_pairs.pop()
        if i == len(shape) and j == len(pattern):
            return True
        for pair in _steps(shape, i, pattern, j):
            if pair not in seen:
                seen.add(pair)
                open_pairs.append(pair)
    return False


def _steps(left: Pattern, i: int, right: Pattern, j: int) -> Iterator[tuple[int, int]]:
    has_mine, has_other = i < len(left), j < len(right)
    is_open = (has_mine and left[i] is None) or (has_other and right[j] is None)
    if is_open:
        if has_mine:
            yield i + 1, j
        if has_other:
            yield i, j + 1
    elif has_mine and has_other and left[i] == right[j]:
        yield i + 1, j + 1
