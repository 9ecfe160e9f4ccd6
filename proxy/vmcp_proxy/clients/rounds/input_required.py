"""The form in which a client without a session is asked, and answers (MCP 2026-07-28): pure functions of bytes."""

from collections.abc import Iterable
from typing import Final

import msgspec

from vmcp_proxy.core.calls.round_state import raw_text
from vmcp_proxy.core.calls.running_call import Question
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.params import InvalidParamsError, Members

MAY_ASK: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""The methods whose requests may end with questions."""

RESPONSES: Final = "inputResponses"
STATE: Final = "requestState"

_NEEDED: Final = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
_FORM: Final = "form"
_NULL: Final = b"null"
_NO_ANSWERS: Final = 'The member "inputResponses" must be an object of results, by the keys that were asked.'


def can_be_asked(capabilities: bytes) -> bool:
    """Whether a client with these capabilities takes any question."""
    try:
        return not params.parse_members(capabilities).keys().isdisjoint(_NEEDED.values())
    except InvalidParamsError:
        return False


def lacking(method: str, raw: msgspec.Raw | None, capabilities: bytes) -> str | None:
    """What the client would have had to declare to be asked this; None where it may be."""
    needed = _NEEDED.get(method)
    if needed is None:
        return method
    declared = params.parse_members(capabilities).get(needed)
    if declared is None:
        return needed
    if needed != "elicitation":
        return None
    mode = params.optional_text_of(params.parse_members(raw), "mode") or _FORM
    modes = params.parse_members(declared)
    # One that names no mode takes forms, as all did before there were modes.
    return None if (mode in modes if modes else mode == _FORM) else f"{needed}.{mode}"


def cleaned(raw: msgspec.Raw | None) -> msgspec.Raw | None:
    """The params of a backend's request without what belongs to that hop alone.

    Raises:
        InvalidParamsError: they are no object.
    """
    if raw is None:
        return None
    members = params.parse_members(raw)
    params.replace_meta(members, None)
    return msgspec.Raw(params.encode_members(members))


def encode_input_required(questions: Iterable[Question], state: str) -> bytes:
    """The result of a request that ends with questions."""
    asked = {each.key: msgspec.Raw(_encode_question(each)) for each in questions}
    members: Members = {
        "resultType": msgspec.Raw(b'"input_required"'),
        "inputRequests": msgspec.Raw(params.encode_members(asked)),
        STATE: raw_text(state),
    }
    return params.encode_members(members)


def read_answers(members: Members) -> dict[str, msgspec.Raw]:
    """What the client answers, by the keys of the questions.

    Raises:
        InvalidParamsError: the answers, or one of them, are no object.
    """
    raw = members.get(RESPONSES)
    if raw is None or bytes(raw) == _NULL:
        return {}
    try:
        answers = params.parse_members(raw)
        for each in answers.values():
            params.parse_members(each)
    except InvalidParamsError:
        raise InvalidParamsError(
            'The member "inputResponses" must be an object of results, by the keys asked.'
        ) from None
    return answers


def _encode_question(question: Question) -> bytes:
    members: Members = {"method": params.raw_text(question.method)}
    if question.params is not None:
        members["params"] = question.params
    return params.encode_members(members)
