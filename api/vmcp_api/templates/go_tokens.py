"""The Go form cut into texts, actions and the tokens of actions."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vmcp_api.templates.errors import TemplateError

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<character>'(?:[^'\\\n]|\\.)[^'\n]*')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+))
    |(?P<field>\.[A-Za-z_]\w*)
    |(?P<dot>\.(?![\w]))
    |(?P<variable>\$\w*)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>:=|[|(),=])""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))|\\"
)
_SIMPLE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LAST_CHARACTER: Final = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an action; `position` is that in the template, `is_joined` where nothing stands before it."""

    kind: str
    text: str
    position: int
    is_joined: bool = False


@dataclass(frozen=True, slots=True)
class TextPart:
    """What stands between actions."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """What stands in braces, without blanks."""

    tokens: tuple[Token, ...]
    position: int


def split(text: str) -> Iterator[TextPart | Action]:
    """The parts of a template in their order; blanks that `{{-` and `-}}` trim are gone, and so are comments.

    Raises:
        TemplateError: an action is not closed, or holds what the Go form does not know.
    """
    at, trims = 0, False
    while True:
        start = text.find("{{", at)
        piece = text[at:] if start < 0 else text[at:start]
        if trims:
            piece = piece.lstrip()
        if start < 0:
            yield TextPart(piece)
            return
        inner = start + 2
        if re.match(r"-\s", text[inner : inner + 2]):
            piece, inner = piece.rstrip(), inner + 1
        yield TextPart(piece)
        action, at, trims = _action(text, start, inner)
        if action.tokens:
            yield action


def _action(text: str, start: int, at: int) -> tuple[Action, int, bool]:
    tokens: list[Token] = []
    comment = re.compile(r"\s*/\*.*?\*/\s*", re.DOTALL).match(text, at)
    if comment is not None:
        at = comment.end()
        if not text.startswith(("}}", "-}}"), at):
            raise TemplateError("a comment must fill its action", start)
    while True:
        if text.startswith("}}", at):
            return Action(tuple(tokens), start), at + 2, False
        if text.startswith("-}}", at) and (comment is not None or text[at - 1].isspace()):
            return Action(tuple(tokens), start), at + 3, True
        found = _TOKEN.match(text, at)
        if found is None:
            if at >= len(text):
                raise TemplateError("an action is not closed by }}", start)
            raise TemplateError(f"{text[at]!r} means nothing here; keys with signs are read by index", at)
        kind = found.lastgroup or ""
        if kind != "blank":
            tokens.append(Token(kind, found[0], at, at > start + 2 and not text[at - 1].isspace()))
        at = found.end()


def literal_of(token: Token) -> object:
    """The value that a string or number stands for.

    Raises:
        TemplateError: it stands for none.
    """
    text = token.text
    match token.kind:
        case "string" if text.startswith("`"):
            return text[1:-1]
        case "string":
            return _unescaped(text[1:-1], token)
        case "number" if text.lower().lstrip("+-").startswith("0x"):
            return int(text, 16)
        case "number":
            return json.loads(_json_number(text))
    raise TemplateError(f"{text} means nothing here", token.position)


def _json_number(text: str) -> str:
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text.lstrip("+"))
    whole, dot, rest = digits.partition(".")
    whole = whole.lstrip("0") or "0" if not dot and "e" not in whole.lower() else whole or "0"
    fraction = f".{rest if rest[:1].isdigit() else '0' + rest}" if dot else ""
    return f"{sign}{whole}{fraction}"


def _unescaped(text: str, token: Token) -> str:
    def character(escape: re.Match[str]) -> str:
        simple, *codes, octal = escape.groups()
        if simple:
            return _SIMPLE.get(simple, simple)
        code = next((int(each, 16) for each in codes if each), None)
        code = int(octal, 8) if code is None and octal else code
        if code is None or code > _LAST_CHARACTER:
            raise TemplateError("a string has an escape that means nothing", token.position)
        return chr(code)

    return _ESCAPE.sub(character, text)
