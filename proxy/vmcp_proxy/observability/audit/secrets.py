"""What a text of a message must not show: known secrets, what looks like one, and values of what is named like one."""

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from vmcp_proxy.observability.masking import MASK, Masks, mask_escaped, mask_schemes, sought_escaped

Hide: TypeAlias = Callable[[str], str]
"""A text without the secrets in it."""

SECRET_NAME: Final = re.compile(
    r"api[-_]?key|access[-_]?key|private[-_]?key|token|secret|passw(?:or)?d|pass(?:phrase|code)|credential"
    r"|authorization|cookie|signature|session[-_]?id"
    # Parts of other words elsewhere.
    r"|(?<![a-z])(?:pwd|auth|jwt|otp)(?=\\{0,15}[\"']?\s{0,8}[:=]|\Z)",
    re.IGNORECASE,
)
"""Names of what nobody should read in a log."""

_NO_SECRET_NAME: Final = re.compile(
    r"progress[-_]?token"  # MCP
    r"|(?:max|min|input|output|prompt|completion|total|cached|reasoning|budget)[-_]?tokens"
    r"|tokens?[-_]?(?:count|limit|usage|budget)|tokeni[sz]ers?|tokeni[sz]e",
    re.IGNORECASE,
)
"""Whole names that only sound like one."""

_SHAPES: Final = re.compile(
    r"""-----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*-----|\Z)  # PEM
    | \beyJ[\w-]{8,}(?:\.[\w-]*){0,4}                                     # JWT, JWE
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                       # AWS
    | \bgh[oprsu]_\w{20,} | \bgithub_pat_\w{20,} | \bglpat-[\w-]{16,}     # GitHub, GitLab
    | \bresponse=\\{0,15}"[0-9a-fA-F]{16,}                                # Digest
    | \bsk-[\w-]{16,} | \bxox[abeoprs]-[\w-]{10,} | \bAIza[\w-]{30,}      # OpenAI, Slack, Google
    """,
    re.VERBOSE | re.DOTALL,
)
"""Secrets that are known by their look, also where only their beginning is there."""

_ASSIGNED: Final = re.compile(
    rf"""
    (?P<name>(?:{SECRET_NAME.pattern})[\w-]{{0,32}})
    """
    r"""
    (?:(?P<before>
        (?:\\{0,15}["']\s{0,8},?\s{0,8}\\{0,15}["']?val(?:ue)?)?               # {"name": "password", "value": ...
        \\{0,15}["']?\s{0,8}[:=]\s{0,8})
    (?!\\{0,15}["']?\*\*\*)
    (?:(?P<open>[\[{])
    | [|>][-+0-9]{0,2}[ \t]*\r?\n(?P<indent>[ \t]+)[^\n]*+                      # a block of YAML
        (?:\n(?:(?P=indent)[^\n]*+|[ \t]*(?=\n|\Z)))*+
    | (?:[\w.]{1,32}\(\s{0,8})?[a-z]{0,2}                                      # SecretStr('...'), b'...'
        (?:"(?:[^"\\]|\\.)*+ | '(?:[^'\\]|\\.)*+
        | (?P<escapes>\\{1,15})(?P<quote>["'])(?:(?!(?<!\\)(?P=escapes)(?P=quote)).)*+)
    | (?P<bare>[^\s"',;&}\]\\]++))
    | (?P<element>[\w:.-]{0,32}+\\{0,15}["']?(?:\s[^<>]{0,256}+)?(?<!/)>)(?!\*\*\*))  # <password>, <x name="password">
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
"""`name: value`, `"name": "value"` and elements of XML within prose, also where the quotes are escaped."""

_PHRASE: Final = re.compile(r"passw(?:or)?d|passphrase|passcode", re.IGNORECASE)
_MORE_WORDS: Final = re.compile(r"""(?:[ \t]{1,8}(?![\w.-]{1,32}["']?\s{0,8}[:=])[^\s",;&}\]\\<]++){1,24}""")
"""The rest of a passphrase without quotes: words of the same line, up to what is assigned next."""

_LONGEST_WORD: Final = 64
_MOST_BEFORE: Final = 320
_WORD_END: Final = re.compile(r"[\w-]*\Z")
_TAG: Final = re.compile(r"[\w:.-]+")

_FIELD_LINE: Final = re.compile(
    r"((?:authorization|cookie)\\{0,15}[\"']?\s{0,8}[:=]\s{0,8}\\{0,15}[\"']?)(?:digest\s[^\r\n]++|[^\"'\r\n\\]++)",
    re.IGNORECASE,
)
"""Fields of HTTP whose whole value is secret; that of Digest has quotes in it."""

_BRACKET: Final = re.compile(r"""(?P<text>"(?:[^"\\\n]|\\.)*+"?+|'(?:[^'\\\n]|\\.)*+'?+)|[\[\]{}]""")
"""A quote that is not closed takes its line with it: else what follows would be read again from each further one."""
_BARE_BRACKET: Final = re.compile(r"(?P<text>(?!))|[\[\]{}]")
_MOST_BRACKETS: Final = 256
_LONGEST_NEST: Final = 4096
"""Characters that are read for the end of a bracket: a text may have one that is not closed on each line."""

_SEPARATOR: Final = re.compile(r"[\s:=>]")
_LINE_END: Final = re.compile(r"[\r\n]|\Z")

LEAST_SECRET: Final = 8
"""Characters of the shortest value of a header that is looked for."""
_LOOKS: Final = Masks(())


def hides(secrets: Masks = _LOOKS, values: Iterable[str] = ()) -> Hide:
    """Takes out known secrets, in every form, `values` as they are and escaped, and what looks like a secret."""
    known = sorted({value for value in values if len(value) >= LEAST_SECRET}, key=len, reverse=True)
    sought = sought_escaped(known)

    def hide(text: str) -> str:
        if len(text) < LEAST_SECRET and text.isalnum():
            # Most texts are such words, and none of the looks is so short.
            return text if secrets.is_empty else secrets.apply_known(text)
        text = secrets.apply_known(text)
        for value in known:
            text = text.replace(value, MASK)
        text = mask_escaped(text, sought)
        if _SEPARATOR.search(text) is None:
            # As names are: nothing is assigned in it, and no scheme stands before anything.
            return _SHAPES.sub(MASK, text)
        text = _FIELD_LINE.sub(rf"\1{MASK}", _SHAPES.sub(MASK, mask_schemes(text)))
        return _without_values(text)

    return hide


def is_secret_name(name: str) -> bool:
    """Whether what is called so should be read by nobody."""
    return SECRET_NAME.search(name) is not None and _NO_SECRET_NAME.fullmatch(name) is None


def _without_values(text: str) -> str:
    """The text without the values of names that say that they are secret."""
    parts: list[str] = []
    at = looked = 0
    while (found := _ASSIGNED.search(text, looked)) is not None:
        start = found.end("element" if found["before"] is None else "before")
        end = _end_of_value(text, found)
        if end is None or end <= start:
            looked = found.end("name")
            continue
        parts += (text[at:start], MASK)
        at = looked = end
    return "".join((*parts, text[at:])) if parts else text


def _end_of_value(text: str, found: "re.Match[str]") -> int | None:
    """Where the value of a name ends; None where it is no secret's."""
    if found["element"] is not None:
        return _end_of_element(text, found)
    word = _WORD_END.search(text, max(found.start() - _LONGEST_WORD, 0), found.start())
    name = f"{word[0] if word else ''}{found['name']}"
    if _NO_SECRET_NAME.fullmatch(name):
        return None
    if found["open"] is not None:
        return _end_of_nest(text, found.start("open"), "\\" in found["before"])
    more = _MORE_WORDS.match(text, found.end()) if found["bare"] is not None and _PHRASE.search(name) else None
    return found.end() if more is None else more.end()


def _end_of_element(text: str, found: "re.Match[str]") -> int | None:
    """Where the content of an element ends whose tag has the name: closed, or with all of the text."""
    first = max(found.start() - _MOST_BEFORE, 0)
    opening = text.rfind("<", first, found.start())
    tag = _TAG.match(text, opening + 1) if opening > text.rfind(">", first, found.start()) else None
    if tag is None:
        return None
    # Elements that have it in an attribute need have no end.
    mark = f"</{tag[0]}" if tag.end() > found.start() else "<"
    end = text.find(mark, found.end())
    return len(text) if end < 0 else end


def _end_of_nest(text: str, start: int, is_escaped: bool) -> int:
    """Where the brackets that open there are closed, else the end of the line; all of the text where that is far."""
    depth, last = 0, min(start + _LONGEST_NEST, len(text))
    for number, each in enumerate((_BARE_BRACKET if is_escaped else _BRACKET).finditer(text, start, last)):
        if each["text"] is None:
            depth += 1 if each[0] in "[{" else -1
        if depth == 0:
            return each.end()
        if number == _MOST_BRACKETS:
            return len(text)
    if last < len(text):
        return len(text)
    end = _LINE_END.search(text, start)
    return len(text) if end is None else end.start()
