"""Methods of MCP that clients may call here, and how each is handled."""

from enum import Enum
from typing import Final

from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.params import InvalidParamsError, Members


class Handling(Enum):
    """What the endpoint does with a request."""

    INITIALIZE = "initialize"
    PING = "ping"
    LIST = "list"
    CALL = "call"
    SUBSCRIPTION = "subscription"
    SET_LEVEL = "set_level"


HANDLING: Final = {
    "initialize": Handling.INITIALIZE,
    "ping": Handling.PING,
    "tools/list": Handling.LIST,
    "resources/list": Handling.LIST,
    "resources/templates/list": Handling.LIST,
    "prompts/list": Handling.LIST,
    "tools/call": Handling.CALL,
    "resources/read": Handling.CALL,
    "resources/subscribe": Handling.SUBSCRIPTION,
    "resources/unsubscribe": Handling.SUBSCRIPTION,
    "prompts/get": Handling.CALL,
    "completion/complete": Handling.CALL,
    "logging/setLevel": Handling.SET_LEVEL,
}

EXECUTING: Final = frozenset({"tools/call"})
"""What may change the world: such a request is never sent again unless it is certain that it did not run."""

LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

_NAMED_BY: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
}


def target_name(method: str, members: Members) -> str:
    """The tool, prompt or URI that a call is about; for a completion that of its reference.

    Raises:
        InvalidParamsError: the params do not name one.
    """
    if method != "completion/complete":
        return params.text_of(members, _NAMED_BY[method])
    if "ref" not in members:
        raise InvalidParamsError('The params need a member "ref".')
    reference = params.parse_members(members["ref"])
    if "uri" in reference and "name" in reference:
        # A backend could look at the one while we have judged by the other.
        raise InvalidParamsError('The reference needs either a "name" or a "uri".')
    return params.text_of(reference, "uri" if "uri" in reference else "name")
