"""Cedar as people write it: whether a text of policies can be read, and where it cannot."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Final

from vmcp_api.text.cedar_flaw import CedarFlaw
from vmcp_api.text.cedar_hierarchy import find_hierarchy_flaw

if TYPE_CHECKING:
    from cedarpy import pst

MOST_POLICIES: Final = 1000
"""How many policies a set may have, over all its texts: each takes the best part of a millisecond to be read."""

MOST_CHARACTERS: Final = 1 << 18
"""How long the texts of a set may be together, for the same reason."""

MOST_BRACKETS: Final = 64
"""How deep brackets of a policy may be nested: some hundreds end the parser, and with it the process."""

MOST_BRANCHES: Final = 64
"""How many `if` a policy may have, for the same reason: one may stand in the other."""

MOST_OPERATORS: Final = 1000
"""How many operators a policy may have: each of a chain is a level for what reads the parser's tree."""

MOST_LEVELS: Final = 96
"""How deep a policy may be in the parser's tree, which ends at 100 levels of an expression; some are for its scope."""

_FEWER: Final = "let one policy speak of many: resource in [...], groups, entities with parents"
_ENTITY_REMEDY: Final = "give each of them uid {type, id}, attrs and parents"

# What is in strings and comments opens and ends nothing.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|//[^\n]*|[;(\[{)\]}]|\bif\b|&&|\|\||[-+*.!]', re.DOTALL)
_BLANK: Final = re.compile(r"(?:\s++|//[^\n]*+)*+")


def find_policy_flaws(texts: Sequence[str]) -> tuple[tuple[int, CedarFlaw], ...]:
    """What is wrong with the texts of one set, each with its place among them; a set too large is not parsed."""
    characters = policies = 0
    for index, text in enumerate(texts):
        characters += len(text)
        if characters > MOST_CHARACTERS:
            said = f"makes the policies longer than {MOST_CHARACTERS} characters in all"
            return ((index, CedarFlaw(said, _FEWER)),)
        for start, _ in _split(text):
            policies += 1
            if policies > MOST_POLICIES:
                line = text.count("\n", 0, start) + 1
                return ((index, CedarFlaw(f"is a policy beyond the {MOST_POLICIES} of a set", _FEWER, line)),)
    flaws = ((index, find_policy_flaw(text)) for index, text in enumerate(texts))
    return tuple((index, flaw) for index, flaw in flaws if flaw)


def find_policy_flaw(text: str) -> CedarFlaw | None:
    """What is wrong with a text of Cedar policies; None for one that can be decided by.

    A text without a policy is refused: it would read as if there were a rule where there is none. So is a template,
    which nothing here links. The parser tells no place, and goes on after an error for as long as the text lasts: it
    is asked about one policy after the other.
    """
    # Imported where somebody has policies: it weighs more than all else of this package.
    import cedarpy  # noqa: PLC0415

    count, line, before = 0, 1, 0
    for start, written in _split(text):
        line, before = line + text.count("\n", before, start), start
        if _is_too_deep(written):
            remedy = "write several policies, or conditions joined by && and ||"
            return CedarFlaw("is a policy that is nested too deeply", remedy, line)
        try:
            policies = cedarpy.PolicySet.from_str(written)
        except ValueError as error:
            return CedarFlaw(f"is no Cedar: {error}", "correct the policy that begins there", line)
        # A chain counts too: `a || b || c` is a level for each. What decides for lists needs the tree.
        try:
            levels = _levels(cedarpy.policies_to_pst(written))
        except ValueError:
            levels = MOST_LEVELS + 1
        if levels > MOST_LEVELS:
            remedy = "write several policies, or a set: [...].contains(...), resource in [...]"
            return CedarFlaw("is a policy that is nested too deeply", remedy, line)
        if policies.templates():
            return CedarFlaw("is a template, which nothing links", "write it without ?principal and ?resource", line)
        count += len(policies)
    return None if count else CedarFlaw("holds no policy", "write one, or remove the entry")


def read_policies(text: str) -> "Iterator[tuple[int, pst.Template]]":
    """The policies of a text in which there is no flaw, each with its line, which counts from 1."""
    import cedarpy  # noqa: PLC0415 - see `find_policy_flaw`

    line, before = 1, 0
    for start, written in _split(text):
        line, before = line + text.count("\n", before, start), start
        yield from ((line, node) for node in cedarpy.policies_to_pst(written).static_policies.values())


def find_entities_flaw(text: str) -> CedarFlaw | None:
    """What is wrong with entities in Cedar's JSON; None for those that can be decided by."""
    import cedarpy  # noqa: PLC0415 - see `find_policy_flaw`

    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        return CedarFlaw("is no JSON", "check commas, quotes and brackets", line)
    if not isinstance(data, list):
        return CedarFlaw("is no list", "write a JSON list of entities, [] for none")
    if flaw := find_hierarchy_flaw(data):
        return flaw
    try:
        cedarpy.Entities.from_json_str(text)
    except ValueError as error:
        return _entity_flaw(data) or CedarFlaw(f"holds no Cedar entities: {error}", _ENTITY_REMEDY)
    return None


def uids_in(value: object) -> Iterator[tuple[str, str]]:
    """The type and id of every entity that a part of Cedar's JSON names, however deep."""
    if isinstance(value, list):
        for each in value:
            yield from uids_in(each)
    elif isinstance(value, dict):
        match value:
            case {"type": str(kind), "id": str(name)}:
                yield kind, name
            case _:
                for each in value.values():
                    yield from uids_in(each)


def _entity_flaw(entities: list[object]) -> CedarFlaw | None:
    """The first entity that is none by itself: the parser does not tell which."""
    import cedarpy  # noqa: PLC0415 - see `find_policy_flaw`

    for index, entity in enumerate(entities):
        try:
            cedarpy.Entities.from_json_str(json.dumps([entity]))
        except ValueError as error:
            return CedarFlaw(f"entry [{index}] is no Cedar entity: {error}", _ENTITY_REMEDY)
    return None


def _levels(node: object) -> int:
    """How deep the tree of some policies is; each clause of a policy is one more, for they are joined by `&&`."""
    if isinstance(node, Mapping):
        return max((_levels(each) for each in node.values()), default=0)
    if isinstance(node, tuple):
        return max((_levels(each) for each in node), default=0)
    if not is_dataclass(node):
        return 0
    deepest = max((_levels(getattr(node, each.name)) for each in fields(node)), default=0)
    return 1 + deepest + len(getattr(node, "clauses", ()))


def _split(text: str) -> Iterator[tuple[int, str]]:
    """The policies of a text with their places, each from its first word to its semicolon."""
    start = 0
    ends = [token.end() for token in _TOKEN.finditer(text) if token[0] == ";"]
    for end in (*ends, len(text)):
        first = _begin(text, start)
        if first < end:
            yield first, text[first:end]
        start = end


def _begin(text: str, start: int) -> int:
    """Where the first word stands after blanks and comments."""
    found = _BLANK.match(text, start)
    return found.end() if found else start


def _is_too_deep(written: str) -> bool:
    """Whether the parser would be at risk."""
    depth = deepest = branches = operators = 0
    for token in _TOKEN.finditer(written):
        match token[0]:
            case "(" | "[" | "{":
                depth += 1
                deepest = max(deepest, depth)
            case ")" | "]" | "}":
                depth -= 1
            case "if":
                branches += 1
            case "&&" | "||" | "-" | "+" | "*" | "." | "!":
                operators += 1
    return deepest > MOST_BRACKETS or branches > MOST_BRANCHES or operators > MOST_OPERATORS
