"""Files of ``NAME=value`` lines, as editors give them to the programs that they start.

Every value may be a credential: problems name lines, never what stands there.
"""

import re
from typing import Final

from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.text.texts import find_program_flaw

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]{0,127})\s*=\s*(.*)")
_VALUE: Final = re.compile(
    r"""(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<bare>(?:(?!\s\#|^["'\#]).)*))\s*(?:\#.*)?""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r'\\([nrt"\\$])')
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


def parse_env_file(content: str) -> dict[str, str] | Problems:
    """The variables of a file; of a name that stands twice the last value counts.

    Blank lines, lines that begin with ``#`` and the word ``export`` are passed over, and so is what follows a blank
    and ``#``. A value may stand in quotes, on one line. Nothing is filled in.
    """
    variables: dict[str, str] = {}
    for number, line in enumerate(content.removeprefix("\ufeff").split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        value = _VALUE.fullmatch(found[2]) if found else None
        if found is None or value is None:
            message = f"is not understood in line {number}"
            return Problems.of(Problem(message, "write NAME=value on one line, and close its quotes"))
        if flaw := find_program_flaw(text := _unquote(value)):
            message, _, remedy = flaw.partition("; ")
            return Problems.of(Problem(f"{message} in line {number}", remedy))
        variables[found[1]] = text
    return variables


def _unquote(value: re.Match[str]) -> str:
    if (text := value["double"]) is not None:
        return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)
    return value["single"] if value["single"] is not None else value["bare"].rstrip()
