"""What is known of what a completion is for, and which of its suggestions could be used (ADR-0044)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from vmcp_proxy.auth.decision import ALLOW
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.ui_pages import text_in
from vmcp_proxy.core.catalog.uri_template import LONGEST_NAME, expand_some
from vmcp_proxy.core.outcomes import Result
from vmcp_proxy.core.policy.questions import ACTION_ON, Admitter, Question, judged_name
from vmcp_proxy.core.virtual import Operation
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import InvalidParamsError, Members, encode_members, parse_members, raw_text, text_of

MOST_SUGGESTIONS: Final = 100
"""Of one answer (MCP 2025-11-25, "Completion")."""

_COMPLETION: Final = "completion"
_VALUES: Final = "values"
_TOTAL: Final = "total"
_decode_texts: Final = msgspec.json.Decoder(list[str]).decode


def question_about(
    identity: Identity, operation: Operation, capability: Capability | None, suggestion: str | None = None
) -> Question:
    """Whether a prompt could be got, or a template read, with the arguments that are known, and with a suggestion.

    The value that the client has typed so far is none of them: another one will stand in its place.
    """
    kind = operation.kind if operation.kind is not None else Kind.PROMPT
    name = operation.name if capability is None else judged_name(capability, operation.name)
    known = _known(operation, suggestion)
    if kind is Kind.PROMPT:
        arguments = encode_members(known) if known else None
        return Question(identity, ACTION_ON[kind], capability, name, arguments, is_open=True)
    if capability is not None and capability.kind is Kind.TEMPLATE:
        # What is cut here makes a name that is too long to be permitted, and costs no more than that to spell.
        found = {each: text for each, value in known.items() if (text := text_in(value)) is not None}
        texts = {each: text[: LONGEST_NAME + 1] for each, text in found.items()}
        name = expand_some(name, texts)
    return Question(identity, ACTION_ON[kind], capability, name, is_open=True)


async def without_unusable(
    admitter: Admitter, identity: Identity, operation: Operation, capability: Capability, result: Result
) -> Result:
    """The result without the suggestions with which nothing could be got or read; the same where all could."""
    try:
        members = parse_members(msgspec.Raw(bytes(result.raw)))
        completion = parse_members(members[_COMPLETION])
        values = _decode_texts(completion[_VALUES])
    except (InvalidParamsError, KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return result
    questions = (question_about(identity, operation, capability, value) for value in values[:MOST_SUGGESTIONS])
    kept = [
        value
        for value, question in zip(values, questions, strict=False)
        if (await admitter.decide(question)).outcome == ALLOW
    ]
    if kept == values:
        return result
    completion[_VALUES] = msgspec.Raw(msgspec.json.encode(kept))
    # It would tell how many are left out.
    completion.pop(_TOTAL, None)
    members[_COMPLETION] = msgspec.Raw(encode_members(completion))
    return Result(encode_members(members), result.backend)


def _known(operation: Operation, suggestion: str | None) -> Members:
    """The arguments that the client has chosen before, and the one that is completed where it is suggested."""
    try:
        members = operation.members
        name = text_of(parse_members(members.get("argument")), "name")
    except InvalidParamsError:
        return {}
    known = {each: value for each, value in _chosen(members).items() if each != name}
    return known if suggestion is None else {**known, name: raw_text(suggestion)}


def _chosen(members: Mapping[str, msgspec.Raw]) -> Members:
    try:
        return parse_members(parse_members(members.get("context")).get("arguments"))
    except InvalidParamsError:
        return {}
