"""JSON as editors write it: comments, trailing commas and a byte order mark are passed over."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Loc, Problem, Problems, Severity

# What has no end reaches to the end of the text: no start is looked at twice.
_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"?|//[^\r\n]*|/\*.*?(?:\*/|\Z)|[{}\[\],:]|[^\s{}\[\],:"/]+|/',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class JsonText:
    """The data of a text, the line of every key in it, and warnings about keys that stand twice."""

    data: Json = field(repr=False)
    lines: Mapping[Loc, int] = field(repr=False)
    repeated: Problems = field(default_factory=Problems)

    def place(self, problems: Problems) -> Problems:
        """The problems, each with the line of the nearest key that was written."""
        return Problems(tuple(replace(problem, line=self._line(problem.loc)) for problem in problems))

    def _line(self, loc: Loc) -> int | None:
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc)


def read_json(text: str) -> JsonText | Problems:
    """The data of a text; lines count from 1, and of a key that stands twice in one object the last counts."""
    plain = _strip(text)
    try:
        data = json.loads(plain)
    except json.JSONDecodeError as error:
        message = f"is no JSON: {error.msg}"
        return Problems.of(Problem(message, "check commas, quotes and brackets", line=error.lineno))
    except RecursionError:
        return Problems.of(Problem("is nested too deeply", "write it flatter"))
    except ValueError:
        return Problems.of(Problem("holds a number that is too long", "write it shorter, or in quotes"))
    lines: dict[Loc, int] = {}
    repeated: list[Problem] = []
    for loc, line in _keys(plain):
        if loc in lines:
            remedy = "remove one of the two; the last one counts"
            repeated.append(Problem("stands here twice", remedy, loc, line=line, severity=Severity.WARNING))
        lines[loc] = line
    return JsonText(data, lines, Problems(tuple(repeated)))


def _strip(text: str) -> str:
    """The text with blanks for the byte order mark, for comments and for commas before a closing bracket."""
    text = text.removeprefix("\ufeff")
    blanks: list[tuple[int, int]] = []
    before, last, comma = "", "", (0, 0)
    for token in _TOKEN.finditer(text):
        said = token[0]
        if said.startswith(("//", "/*")):
            blanks.append(token.span())
            continue
        if said in "}]" and last == "," and before not in {"{", "[", ","}:
            blanks.append(comma)
        if said == ",":
            comma = token.span()
        before, last = last, said
    parts: list[str] = []
    end = 0
    for start, stop in sorted(blanks):
        parts += (text[end:start], re.sub(r"[^\r\n]", " ", text[start:stop]))
        end = stop
    return "".join((*parts, text[end:]))


def _keys(text: str) -> Iterator[tuple[Loc, int]]:
    """The place and the line of every key of a text that is JSON."""
    path: list[str | int] = []
    last, line, end = "", 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", end, token.end())
        end = token.end()
        match token[0]:
            case "{":
                path.append("")
            case "[":
                path.append(0)
            case "}" | "]":
                path.pop()
            case ",":
                step = path[-1]
                path[-1] = step + 1 if isinstance(step, int) else ""
            case ":":
                path[-1] = json.loads(last)
                yield tuple(path), line
            case said:
                last = said
