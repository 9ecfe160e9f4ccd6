"""Names with a `-` in templates that read them by a dot, where it is a minus (Jinja) or nothing at all (Go)."""

import re
from typing import Final

from vmcp_api.manifests.problems import shorten
from vmcp_api.templates.template import LONGEST, is_go

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_READ: Final = re.compile(rf"(?<![\w.\"'])\.?((?:steps|params|forEach)(?:\.{_NAME})*)\.({_NAME}(?:-\w+)+)")
_OPENS: Final = re.compile(r"\{[{%]")
_CLOSES: Final = re.compile(r"[}%]\}")
_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)|`[^`]*(?:`|\Z)", re.DOTALL)
"""One that nobody closes goes on to the end, lest each quote in it is tried as a beginning."""


def explain_hyphen(text: str, *, is_read: bool = False) -> str | None:
    """``what is wrong; what to do`` of a template that cannot be read; None where no such name is to blame.

    Of one that `is_read` as a subtraction only ids of steps are told: no number can be taken from a step.
    """
    for part in _OPENS.split(text)[1:] if len(text) <= LONGEST else ():
        code = _CLOSES.split(part, maxsplit=1)[0]
        for of, name in _READ.findall(_QUOTED.sub('""', code)):
            if of == "steps" or not is_read:
                right = f'(index .{of} "{name}")' if is_go(text) else f'{of}["{name}"]'
                return f"reads {shorten(f'{of}.{name}')}, and no name after a dot holds a '-'; write {shorten(right)}"
    return None
