"""What becomes of a tool call's arguments on their way to the backend (ADR-0022)."""

import json
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from vmcp_api.base import Json
from vmcp_api.spec.aggregation import ArgumentOverride
from vmcp_proxy.protocol.params import InvalidParamsError, Members, encode_members, parse_members

_ARGUMENTS: Final = "arguments"

Values = tuple[tuple[str, bytes], ...]
"""Arguments by name with their values as JSON, sorted by name."""


class ArgumentPlan(msgspec.Struct, frozen=True, gc=False):
    """What the settings make of the arguments that a caller sends to one tool.

    `forced` are sent whatever the caller says, `defaults` where it leaves them out. `withheld` are the
    case-folded names that a caller may not send, but for the names in `kept`.
    """

    forced: Values = ()
    defaults: Values = ()
    withheld: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


def build_plan(overrides: Mapping[str, ArgumentOverride], properties: Collection[str]) -> ArgumentPlan:
    """The plan for a tool with these properties.

    Some JSON libraries match members without regard to case (Go's `encoding/json` does, and the last one wins): a
    name that differs from a withheld one by case alone is withheld too, unless the tool has it for something else.
    """
    names = {name for name, override in overrides.items() if override.is_withheld}
    withheld = frozenset(name.casefold() for name in names)
    values = [
        (name, encode_json(override.value.value))
        for name, override in sorted(overrides.items())
        if override.value is not None
    ]
    return ArgumentPlan(
        forced=tuple((name, value) for name, value in values if name in names),
        defaults=tuple((name, value) for name, value in values if name not in names),
        withheld=withheld,
        kept=frozenset(name for name in {*properties, *overrides} - names if name.casefold() in withheld),
    )


def apply_arguments(members: Members, plan: ArgumentPlan) -> None:
    """Replaces the params' `arguments` by those that the backend gets; values of the caller keep their bytes.

    Arguments that are absent stay so where nothing is to be sent. Doing it twice is doing it once.

    Raises:
        InvalidParamsError: `arguments` is neither an object nor null.
    """
    for name in [name for name in members if name != _ARGUMENTS and name.casefold() == _ARGUMENTS]:
        del members[name]
    raw = members.get(_ARGUMENTS)
    is_absent = raw is None or bytes(memoryview(raw)[:1]) == b"n"
    sent = {} if is_absent else _parse(raw)
    result = {name: value for name, value in sent.items() if name in plan.kept or name.casefold() not in plan.withheld}
    for name, value in plan.defaults:
        result.setdefault(name, msgspec.Raw(value))
    # Last, so that they win over a kept name that a lax reader takes for the same one.
    result.update((name, msgspec.Raw(value)) for name, value in plan.forced)
    if result or not is_absent:
        members[_ARGUMENTS] = msgspec.Raw(encode_members(result))


def encode_json(value: Json) -> bytes:
    """A value of the settings as JSON; integers of any size."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _parse(raw: msgspec.Raw | None) -> Members:
    try:
        return parse_members(raw)
    except InvalidParamsError:
        raise InvalidParamsError('The member "arguments" must be an object.') from None
