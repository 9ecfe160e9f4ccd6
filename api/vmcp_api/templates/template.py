"""Templates compiled once and evaluated often, in either syntax."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from vmcp_api.templates.budget import Budget
from vmcp_api.templates.errors import TemplateError
from vmcp_api.templates.go_functions import GO_FUNCTIONS
from vmcp_api.templates.go_parser import parse_go
from vmcp_api.templates.jinja_parser import parse_jinja
from vmcp_api.templates.nodes import Expression, Frame, paths_in
from vmcp_api.templates.statements import Body, Output, Text, run_all
from vmcp_api.templates.values import given, type_name

ROOTS: Final = ("params", "steps", "workflow", "forEach", "timestamp")
"""What a template can read."""

LONGEST: Final = 64 * 1024
"""Characters of one template."""

_MOST_LEVELS: Final = 64
_TRUTH: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|`[^`]*(?:`|\Z)|\'(?:[^\'\\]|\\.)*(?:\'|\\?\Z)', re.DOTALL)
_WORDS: Final = "if|with|end|else|define|template|block|break|continue|range(?!\\s*\\()"
_GO: Final = re.compile(
    rf"-?\s*(?:/\*|\$|(?:{_WORDS})\b|(?:{'|'.join((*GO_FUNCTIONS, 'index'))})\s+[\w\"`$(])"
    r"|(?:.*?(?:[\s(|]|^))\.(?:\w|\s|[)|]|\Z)",
    re.DOTALL,
)
"""Only the Go form has a dot in front of a name, words in double braces, and arguments without brackets."""

Paths: TypeAlias = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be evaluated; `reads` are the paths by which it reads its scope."""

    text: str
    body: Body
    reads: Paths

    def value(self, scope: Mapping[str, object], budget: Budget) -> object:
        """What it says: the value itself where it is nothing but one expression, else a text.

        Blanks around a single expression do not matter where its value is no string.

        Raises:
            TemplateError: it has no value.
            TemplateKeyError: it reads what is not there.
        """
        frame = Frame(scope, budget)
        try:
            single = _single(self.body)
            if single is not None:
                value = given(single.evaluate(frame))
                if not isinstance(value, str) or len(self.body) == 1:
                    budget.keep(value)
                    return value
            out: list[str] = []
            run_all(self.body, frame, out)
        except RecursionError:
            raise TemplateError("is nested too deeply") from None
        text = "".join(out)
        budget.kept += len(text)
        return text

    def truth(self, scope: Mapping[str, object], budget: Budget) -> bool:
        """Whether a condition holds.

        Raises:
            TemplateError: it is neither true nor false.
        """
        value = self.value(scope, budget)
        if isinstance(value, bool):
            return value
        found = _TRUTH.get(value.strip()) if isinstance(value, str) else None
        if found is None:
            raise TemplateError(f"a condition must be true or false; this one is {_said(value)}")
        return found


def _said(value: object) -> str:
    return "another text" if isinstance(value, str) else type_name(value)


def _single(body: Body) -> Expression | None:
    """The expression that is all there is besides blanks."""
    outputs = [each for each in body if not isinstance(each, Text) or each.text.strip()]
    return outputs[0].expression if len(outputs) == 1 and isinstance(outputs[0], Output) else None


def compile_template(text: str) -> Template:
    """Reads a template in the Go or the Jinja form, whichever it is written in.

    Raises:
        TemplateError: it cannot be read, or reads what no template has.
    """
    if len(text) > LONGEST:
        raise TemplateError(f"has {len(text)} characters; {LONGEST} are allowed")
    try:
        body = parse_go(text) if is_go(text) else parse_jinja(text)
        reads = frozenset(paths_in(body))
    except RecursionError:
        raise TemplateError("is nested too deeply") from None
    for path in sorted(reads):
        if not path:
            raise TemplateError(f"reads all there is; it may read {', '.join(ROOTS)}")
        if path[0] not in ROOTS:
            raise TemplateError(f"there is no {path[0]!r}; templates read {', '.join(ROOTS)}")
    return Template(text, body, reads)


def is_go(text: str) -> bool:
    """Whether a template is written in the Go form."""
    at = text.find("{{")
    while at >= 0:
        end = text.find("}}", at)
        if _GO.match(_STRING.sub('""', text[at + 2 : end if end >= 0 else None])) is not None:
            return "{%" not in text
        at = text.find("{{", end) if end >= 0 else -1
    return False


@dataclass(frozen=True, slots=True)
class Tree:
    """A JSON value whose strings are templates; keys are not. `reads` as in `Template`; errors begin with `name`."""

    compiled: object
    reads: Paths
    name: str = ""

    def value(self, scope: Mapping[str, object], budget: Budget) -> object:
        """The value with every template in it evaluated.

        Raises:
            TemplateError: one of them has no value; the text says which.
        """
        return _evaluated(self.compiled, scope, budget, self.name)


def compile_tree(value: object, name: str = "") -> Tree:
    """Reads the templates in a JSON value, which errors call by the name.

    Raises:
        TemplateError: one of them cannot be read; the text says which.
    """
    reads: set[tuple[str, ...]] = set()
    return Tree(_compiled(value, reads, name, 0), frozenset(reads), name)


def _compiled(value: object, reads: set[tuple[str, ...]], path: str, level: int) -> object:
    if level > _MOST_LEVELS:
        raise TemplateError(f"values are nested more than {_MOST_LEVELS} deep")
    match value:
        case str() as text if "{{" in text or "{%" in text:
            try:
                template = compile_template(text)
            except TemplateError as error:
                raise (error.within(path) if path else error) from None
            reads.update(template.reads)
            return template
        case Mapping() as found:
            return {key: _compiled(each, reads, _below(path, key), level + 1) for key, each in found.items()}
        case list() | tuple() as items:
            return [_compiled(each, reads, f"{path}[{index}]", level + 1) for index, each in enumerate(items)]
    return value


def _evaluated(value: object, scope: Mapping[str, object], budget: Budget, path: str) -> object:
    match value:
        case Template() as template:
            try:
                return template.value(scope, budget)
            except TemplateError as error:
                raise (error.within(path) if path else error) from None
        case dict() as found:
            return {key: _evaluated(each, scope, budget, _below(path, key)) for key, each in found.items()}
        case list() as items:
            return [_evaluated(each, scope, budget, f"{path}[{index}]") for index, each in enumerate(items)]
    return value


def _below(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
