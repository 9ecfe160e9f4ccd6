"""What a modern answer says, and what becomes of it for a client of a former revision; pure."""

from enum import Enum
from typing import Final

import msgspec

from vmcp_proxy.backends.messages import code_of
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.error_codes import INVALID_PARAMS, RESOURCE_NOT_FOUND
from vmcp_proxy.protocol.jsonrpc import Marks, Raw
from vmcp_proxy.protocol.params import InvalidParamsError, Members

_MODERN_ONLY: Final = ("resultType", "ttlMs", "cacheScope")


class ResultType(Enum):
    """What a result is."""

    COMPLETE = "complete"
    INPUT_REQUIRED = "input_required"


_TYPES: Final = {known.value: known for known in ResultType}


class Asked(msgspec.Struct, frozen=True, gc=False):
    """An `input_required` result: what is asked for, by the server's keys, and the state that the retry gives back.

    `state` is raw JSON.
    """

    requests: Members
    state: msgspec.Raw | None


def type_of(marks: Marks) -> ResultType | None:
    """What a result with these marks is, complete where it does not say; None for what is not known here."""
    written = marks.result_type
    if written is msgspec.UNSET:
        return ResultType.COMPLETE
    try:
        return _TYPES.get(msgspec.json.decode(written, type=str))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_asked(result: Raw) -> Asked | None:
    """What an `input_required` result asks for; None where it asks for nothing and has no state, or is malformed."""
    try:
        members = params.parse_members(result)
        requests = params.parse_members(members.get("inputRequests"))
        state = members.get("requestState")
        if state is not None:
            params.text_of(members, "requestState")
    except InvalidParamsError:
        return None
    return Asked(requests, state) if requests or state is not None else None


def result_for_legacy(result: Raw) -> Raw:
    """The result without what only modern clients know."""
    members = params.parse_members(result)
    for name in _MODERN_ONLY:
        members.pop(name, None)
    return msgspec.Raw(params.encode_members(members))


def error_for_legacy(error: Raw) -> Raw:
    """The error as former revisions have it: a resource that is not there has a code of its own."""
    try:
        members = params.parse_members(error)
        if code_of(error) == INVALID_PARAMS and "uri" in params.parse_members(members.get("data")):
            return msgspec.Raw(params.encode_members(members | {"code": msgspec.Raw(b"%d" % RESOURCE_NOT_FOUND)}))
    except InvalidParamsError:
        pass
    return error
