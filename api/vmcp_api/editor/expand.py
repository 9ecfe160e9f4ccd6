"""Variables in the values of an editor's server file."""

import re
from collections.abc import Mapping
from typing import Final

_VARIABLE: Final = re.compile(
    r"\$\{(?P<kind>(?:[a-z]+|workspaceFolder):(?!-))?(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?\}"
)


def expand(text: str, environment: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text with ``${VAR}``, ``${env:VAR}`` and ``${VAR:-default}`` filled in, and what could not be.

    What could not be filled in is named as written (``input:token``); values are not expanded again.
    """
    missing: list[str] = []

    def value_of(found: re.Match[str]) -> str:
        kind, name, default = found["kind"], found["name"], found["default"]
        if kind in {None, "env:"} and name in environment:
            return environment[name]
        if kind in {None, "env:"} and default is not None:
            return str(default)
        missing.append(f"{kind or ''}{name}" if kind != "env:" else name)
        return ""

    return _VARIABLE.sub(value_of, text), tuple(missing)
