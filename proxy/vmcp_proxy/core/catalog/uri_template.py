"""Which URIs a URI template can expand to (RFC 6570, levels 1 to 3)."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

import msgspec

_SIMPLE: Final = frozenset("/?#{}")
_RESERVED: Final = frozenset("{}")
_PATH: Final = frozenset("?#{}")
_QUERY: Final = frozenset("#{}")

_OPERATORS: Final = {
    "+": ("", _RESERVED),
    "#": ("#", _RESERVED),
    ".": (".", _SIMPLE),
    "/": ("/", _PATH),
    ";": (";", _SIMPLE),
    "?": ("?", _QUERY),
    "&": ("&", _QUERY),
}
"""Operator: the character that a non-empty expansion begins with, and those that it never contains."""

_NAMED: Final = (";", "?", "&")
_SINGLE: Final = re.compile(r"\{([+#./;?&]?)([A-Za-z0-9_.%]+)\}")
_UNENCODED: Final = ":/?#[]@!$&'()*+,;="

MAX_URI_LENGTH: Final = 4096

LONGEST_NAME: Final = MAX_URI_LENGTH + 512
"""Characters of what a request may name: a URI of a list, and what stands before one of our own (ADR-0031)."""
"""Longest URI and longest template that are matched, in characters."""

MAX_STEPS: Final = 262_144
"""Characters that one search looks at in all, about 0.2 s at worst."""


class _Expression(msgspec.Struct, frozen=True, gc=False):
    lead: str
    excluded: frozenset[str]


class _Literal(msgspec.Struct, frozen=True, gc=False):
    char: str


_Token = _Literal | _Expression


def can_expand_to(template: str, uri: str) -> bool:
    """Whether some values of its variables turn the template into this URI.

    Generous where RFC 6570 would percent-encode (any character but delimiters stands for itself), for clients
    and servers are. A brace never comes out of a variable, so no template expands to its own text. What is no
    valid template matches only itself. Time grows with the URI's length, not with its number of variables.
    """
    prefix, brace, _ = template.partition("{")
    if not brace:
        return template == uri
    if not uri.startswith(prefix) or max(len(uri), len(template)) > MAX_URI_LENGTH:
        return False
    tokens = _tokens(template)
    return template == uri if tokens is None else _accepts(tokens, uri)


def find_template(templates: Iterable[str], uri: str) -> str | None:
    """The first template that can expand to this URI.

    Gives up after `MAX_STEPS` characters of matching: a backend may list many templates that begin like anything.
    """
    steps = MAX_STEPS
    for template in templates:
        if not _begins_and_ends_like(template, uri):
            continue
        steps -= len(uri)
        if steps < 0:
            return None
        if can_expand_to(template, uri):
            return template
    return None


def _begins_and_ends_like(template: str, uri: str) -> bool:
    return uri.startswith(template.partition("{")[0]) and uri.endswith(template.rpartition("}")[2])


def expand_all(template: str, value: str) -> str:
    """The template with every expression replaced by the same text, taken as it is."""
    tokens = _tokens(template)
    if tokens is None:
        return template
    return "".join(token.char if isinstance(token, _Literal) else value for token in tokens)


def expand_some(template: str, values: Mapping[str, str]) -> str:
    """The template with what is known of it expanded: expressions of one variable without a modifier, by RFC 6570."""

    def expanded(found: re.Match[str]) -> str:
        operator, name = found.groups()
        if name not in values:
            return found.group()
        text = quote(values[name], safe=_UNENCODED if operator in ("+", "#") else "", errors="replace")
        lead = _OPERATORS[operator][0] if operator else ""
        return f"{lead}{name}={text}" if operator in _NAMED else f"{lead}{text}"

    return _SINGLE.sub(expanded, template)


def _tokens(template: str) -> list[_Token] | None:
    tokens: list[_Token] = []
    rest = template
    while rest:
        literal, brace, rest = rest.partition("{")
        if "}" in literal:
            return None
        tokens += map(_Literal, literal)
        if not brace:
            break
        expression, closed, rest = rest.partition("}")
        if not closed or not expression or "{" in expression:
            return None
        lead, excluded = _OPERATORS.get(expression[0], ("", _SIMPLE))
        tokens.append(_Expression(lead, excluded))
    return tokens


def _accepts(tokens: list[_Token], uri: str) -> bool:
    """Runs all ways through the tokens at once: bit i of `states` says that the tokens before i are used up.

    An expression takes two positions, its lead and its loop; both may be skipped. A regular expression would
    try the ways one by one, and a backend chooses the template.
    """
    literals: dict[str, int] = {}
    leads: dict[str, int] = {}
    loops: list[tuple[int, frozenset[str]]] = []
    position = skip_one = skip_two = 0
    for token in tokens:
        bit = 1 << position
        if isinstance(token, _Literal):
            literals[token.char] = literals.get(token.char, 0) | bit
            position += 1
            continue
        if token.lead:
            leads[token.lead] = leads.get(token.lead, 0) | bit
            skip_two |= bit
            position += 1
        loops.append((1 << position, token.excluded))
        skip_one |= 1 << position
        position += 1
    classes: dict[str, int] = {}
    states = _close(1, skip_one, skip_two)
    for char in uri:
        stays = classes.get(char)
        if stays is None:
            stays = classes[char] = sum(bit for bit, excluded in loops if char not in excluded)
        moves = literals.get(char, 0) | leads.get(char, 0)
        states = _close((states & stays) | (states & moves) << 1, skip_one, skip_two)
        if not states:
            return False
    return bool(states >> position & 1)


def _close(states: int, skip_one: int, skip_two: int) -> int:
    while True:
        reached = states | (states & skip_one) << 1 | (states & skip_two) << 2
        if reached == states:
            return states
        states = reached
