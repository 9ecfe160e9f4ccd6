"""Takes secrets out of what programs and servers say, in the forms in which they write them."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from vmcp_proxy.observability.escapes import Sought, find_escaped

MASK: Final = "***"
_SHORTEST: Final = 4
"""Characters of a value that is worth masking: shorter ones are parts of other words."""
_SHORTEST_CODED: Final = 6
"""Characters of a value's base64 or hexadecimal form that mean it and nothing else."""

_USER_INFO: Final = re.compile(r"(://)[^/@\s\"']+@")
_SCHEME: Final = re.compile(
    r"\b(bearer|basic)(\s+)(?:[A-Za-z0-9+/=._~-]|(?:\\{1,15}u00|%)(?:2[bf]|3d|7e)){6,}", re.IGNORECASE
)
_ASSIGNED: Final = re.compile(r"((?:api[-_]?key|token|secret|passw(?:or)?d)[\"']?=[\"']?)[^\s\"'&,;]+", re.IGNORECASE)


class Masks:
    """The forms of some secrets; `repr` shows none of them.

    They are looked for as they are: `re` would remember a pattern of them long after they have gone (ADR-0016).
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        lines = {line for secret in secrets for line in secret.splitlines() if len(line) >= _SHORTEST}
        self._forms: Final = frozenset(form for line in lines for form in _forms(line))
        self._sought: Final = sought_escaped(lines)

    def __repr__(self) -> str:
        return "<Masks>"

    @property
    def is_empty(self) -> bool:
        """Whether no secret is known, so that only what looks like a credential is masked."""
        return not self._forms

    def apply(self, text: str) -> str:
        """The text without them, and without what looks like a credential by its place."""
        return _ASSIGNED.sub(rf"\1{MASK}", mask_schemes(self.apply_known(text)))

    def apply_known(self, text: str) -> str:
        """The text without them; where forms overlap, without all that any of them covers."""
        places = [place for form in self._forms if form in text for place in _places(form, text)]
        places += find_escaped(text, self._sought)
        return _covered(text, places)


def sought_escaped(secrets: Iterable[str]) -> frozenset[Sought]:
    """What to look for of secrets where escapes were read."""
    sought = (each for secret in secrets for each in Sought.forms_of(secret))
    return frozenset(each for each in sought if len(each.text) >= _SHORTEST)


def mask_escaped(text: str, sought: frozenset[Sought]) -> str:
    """The text without what is sought, whichever of its characters are escaped there."""
    return _covered(text, list(find_escaped(text, sought)))


def _covered(text: str, places: list[tuple[int, int]]) -> str:
    """The text without what stands in some places of it."""
    parts: list[str] = []
    covered = 0
    for start, end in sorted(places):
        if start > covered or not parts:
            parts += [text[covered:start], MASK]
        covered = max(covered, end)
    return "".join((*parts, text[covered:])) if parts else text


def _places(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Where a form begins and ends in a text, from left to right."""
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        # It may overlap itself.
        start = text.find(form, start + 1)


def mask_schemes(text: str) -> str:
    """The text without the user of URLs and without what stands after `Bearer` and `Basic`."""
    return _SCHEME.sub(rf"\1\2{MASK}", _USER_INFO.sub(rf"\1{MASK}@", text))


def _forms(value: str) -> Iterator[str]:
    yield value
    yield from (form for form in _escaped(value) if len(form) >= _SHORTEST)
    yield from (form for form in _coded(value.encode(errors="surrogateescape")) if len(form) >= _SHORTEST_CODED)


def _escaped(value: str) -> Iterator[str]:
    """As it stands inside quotes of JSON (also JSON in JSON), Python, a shell, in a URL, in HTML."""
    for as_ascii in (True, False):
        once = json.dumps(value, ensure_ascii=as_ascii)[1:-1]
        yield from (once, once.replace("/", "\\/"), json.dumps(once, ensure_ascii=as_ascii)[1:-1])
    yield repr(value)[1:-1]
    yield from (value.replace("'", "'\"'\"'"), value.replace("'", "'\\''"))
    raw = value.encode(errors="surrogateescape")
    for in_url in (quote(raw, safe=""), quote(raw), quote(raw, safe="!'()*~"), quote_plus(raw)):
        yield from (in_url, re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), in_url))
    in_html = html.escape(value)
    yield from (in_html, in_html.replace("&#x27;", "&#39;"), html.escape(value, quote=False))


def _coded(raw: bytes) -> Iterator[str]:
    """Hexadecimal, and base64 wherever it begins in a longer text, as in `Basic base64(user:password)`.

    The characters at either end depend on what stands beside the value and are left out.
    """
    yield from (raw.hex(), raw.hex().upper())
    for before in range(3):
        first = (before * 8 + 5) // 6
        last = (before + len(raw)) * 8 // 6
        whole = base64.b64encode(bytes(before) + raw)
        for text in (whole, base64.urlsafe_b64encode(bytes(before) + raw)):
            yield text[first:last].decode()
