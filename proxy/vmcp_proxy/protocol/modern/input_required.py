"""The form in which a client without a session is asked, and answers (MCP 2026-07-28): pure functions of bytes."""

import json
from collections.abc import Iterable
from typing import Final

import msgspec

from vmcp_proxy.protocol import params, surrogates
from vmcp_proxy.protocol.error_codes import URL_ELICITATION_REQUIRED
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.params import InvalidParamsError, Members

MAY_ASK: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""The methods whose requests may end with questions."""

RESPONSES: Final = "inputResponses"
STATE: Final = "requestState"
_REQUESTS: Final = "inputRequests"
_INPUT_REQUIRED: Final = b'"input_required"'
_COMPLETE: Final = b'"complete"'

_NEEDED: Final = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
_FORM: Final = "form"
_ELICIT: Final = "elicitation/create"
_VISIT: Final = "vmcp.dev/visit-"
_NULL: Final = b"null"
_NO_ANSWERS: Final = 'The member "inputResponses" must be an object of results, by the keys that were asked.'


class Question(msgspec.Struct, frozen=True, gc=False):
    """What the client is asked, under a key that stays the same however often it is asked."""

    key: str
    method: str
    params: msgspec.Raw | None


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
        "resultType": msgspec.Raw(_INPUT_REQUIRED),
        _REQUESTS: msgspec.Raw(params.encode_members(asked)),
        STATE: raw_text(state),
    }
    return params.encode_members(members)


def unasked_for(members: Members, capabilities: bytes) -> str | None:
    """The first thing that a backend's result asks for and the client has not declared; None where there is none.

    Raises:
        InvalidParamsError: what it asks has not the shape of questions.
    """
    for raw in params.parse_members(members.get(_REQUESTS)).values():
        asked = params.parse_members(raw)
        if (lack := lacking(params.text_of(asked, "method"), asked.get("params"), capabilities)) is not None:
            return lack
    return None


def is_input_required(result_type: Raw | msgspec.UnsetType) -> bool:
    """Whether a result of this type, as raw JSON, is none yet; escapes in it do not hide that."""
    if result_type is msgspec.UNSET or bytes(result_type) == _COMPLETE:
        return False
    return read_text(result_type) == "input_required"


def visits_of(error: Raw, capabilities: bytes) -> bytes | None:
    """The pages that a client has to visit before a backend does anything, as questions; None where there are none.

    Backends of the other era answer with an error instead (MCP 2025-11-25, "URL Mode Elicitation"). Nothing was carried
    out, and nothing is to be gone on with: the client's next request begins anew, and needs no state.
    """
    try:
        members = params.parse_members(error)
        if bytes(members.get("code", b"")) != b"%d" % URL_ELICITATION_REQUIRED:
            return None
        pages = surrogates.decode_items(params.parse_members(members.get("data")).get("elicitations", b"[]"))
        if not pages or any(lacking(_ELICIT, page, capabilities) is not None for page in pages):
            return None
    except (InvalidParamsError, msgspec.DecodeError):
        return None
    asked = {
        f"{_VISIT}{at}": msgspec.Raw(_encode_question(Question("", _ELICIT, page))) for at, page in enumerate(pages)
    }
    members = {"resultType": msgspec.Raw(_INPUT_REQUIRED), _REQUESTS: msgspec.Raw(params.encode_members(asked))}
    return params.encode_members(members)


def is_declined(members: Members) -> bool:
    """Whether the client will not visit a page that it was asked to: it would be asked again without end.

    Raises:
        InvalidParamsError: its answers have not the shape of answers.
    """
    if RESPONSES not in members:
        return False
    visits = (params.parse_members(raw) for key, raw in read_answers(members).items() if key.startswith(_VISIT))
    return any(bytes(each.get("action", b"")) != b'"accept"' for each in visits)


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


def read_text(raw: Raw) -> str | None:
    """A JSON text, which may hold lone surrogates; None for everything else."""
    try:
        value = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def raw_text(text: str) -> msgspec.Raw:
    """The text as JSON, whatever it holds."""
    try:
        return msgspec.Raw(msgspec.json.encode(text))
    except UnicodeEncodeError:
        return msgspec.Raw(json.dumps(text).encode())


def progress_token_of(members: Members) -> msgspec.Raw | None:
    """By what the client of a request wants to hear of progress; None where it does not.

    Raises:
        InvalidParamsError: the `_meta` is no object.
    """
    raw = members.get("_meta")
    return None if raw is None or bytes(raw) == _NULL else params.parse_members(raw).get("progressToken")


def _encode_question(question: Question) -> bytes:
    members: Members = {"method": params.raw_text(question.method)}
    if question.params is not None:
        members["params"] = question.params
    return params.encode_members(members)
