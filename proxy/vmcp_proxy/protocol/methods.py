"""The methods of MCP that clients call, each with all that follows from it, and what a message is about."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import msgspec

from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.kinds import WIRE, Kind
from vmcp_proxy.protocol.params import InvalidParamsError, Members, parse_members, text_of


class Era(Enum):
    """The two protocols that are called MCP: with sessions up to 2025-11-25, without from 2026-07-28."""

    LEGACY = "legacy"
    MODERN = "modern"


class Handling(Enum):
    """What the endpoint does with a request."""

    INITIALIZE = "initialize"
    PING = "ping"
    LIST = "list"
    CALL = "call"
    SUBSCRIPTION = "subscription"
    SET_LEVEL = "set_level"
    DISCOVER = "discover"


class Method(msgspec.Struct, frozen=True, gc=False):
    """A method of MCP.

    `named_by` is the member of the params that names what a request is about, `kind` the kind of that; both are empty
    where it is about the server, and the kind of a completion is that of its `ref`. `audit_type` is the type of its
    audit events. `executes` is what may change the world: such a request is never sent again unless it is certain
    that it did not run.
    """

    name: str
    eras: frozenset[Era]
    handling: Handling
    audit_type: str
    kind: Kind | None = None
    named_by: str = ""
    executes: bool = False


_BOTH: Final = frozenset(Era)
_LEGACY: Final = frozenset({Era.LEGACY})
_MODERN: Final = frozenset({Era.MODERN})
_REF: Final = "ref"

COMPLETION: Final = "completion/complete"
SUBSCRIBE: Final = "resources/subscribe"
UNSUBSCRIBE: Final = "resources/unsubscribe"
LISTEN: Final = "subscriptions/listen"

_METHODS: Final = (
    Method("initialize", _LEGACY, Handling.INITIALIZE, "mcp_initialize"),
    Method("server/discover", _MODERN, Handling.DISCOVER, "mcp_discover"),
    Method("ping", _LEGACY, Handling.PING, "mcp_ping"),
    *(Method(wire.list_method, _BOTH, Handling.LIST, "mcp_list", kind) for kind, wire in WIRE.items()),
    Method("tools/call", _BOTH, Handling.CALL, "mcp_tool_call", Kind.TOOL, "name", executes=True),
    Method("resources/read", _BOTH, Handling.CALL, "mcp_resource_read", Kind.RESOURCE, "uri"),
    Method(SUBSCRIBE, _LEGACY, Handling.SUBSCRIPTION, "mcp_subscription", Kind.RESOURCE, "uri"),
    Method(UNSUBSCRIBE, _LEGACY, Handling.SUBSCRIPTION, "mcp_subscription", Kind.RESOURCE, "uri"),
    Method(LISTEN, _MODERN, Handling.SUBSCRIPTION, "mcp_subscription"),
    Method("prompts/get", _BOTH, Handling.CALL, "mcp_prompt_get", Kind.PROMPT, "name"),
    Method(COMPLETION, _BOTH, Handling.CALL, "mcp_completion", named_by=_REF),
    Method("logging/setLevel", _LEGACY, Handling.SET_LEVEL, "mcp_logging"),
)

METHODS: Final[Mapping[str, Method]] = MappingProxyType({method.name: method for method in _METHODS})
"""Every method by its name."""

LEGACY_METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {method.name: method for method in _METHODS if Era.LEGACY in method.eras}
)
"""Those that a client with a session may call."""

MODERN_METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {method.name: method for method in _METHODS if Era.MODERN in method.eras}
)
"""Those that a client without a session may call."""

EXECUTING: Final = frozenset(method.name for method in _METHODS if method.executes)

WORKING: Final = frozenset(method.name for method in _METHODS if method.handling is Handling.CALL)
"""Those by which a client has work done, which may take as long as it likes."""

PROMPTLY_ANSWERED: Final = frozenset(METHODS) - WORKING - {LISTEN}
"""Those that any server answers at once; of the others `LISTEN` is answered when its stream ends."""

LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

NO_RECORDS: Final = "none"
"""Stands for a level where no record is severe enough."""


class Reference(msgspec.Struct, frozen=True, gc=False):
    """What a message is about: a tool or prompt by the name that it is served under, or a resource by its URI.

    `kind` is that of what is listed, where the message asks for a list, and None where it is about nothing of the kind.
    `members` are those of the params, to be read only.
    """

    kind: Kind | None = None
    name: str = ""
    members: Members = {}


NO_REFERENCE: Final = Reference()


def read_reference(method: str, raw: Raw | None) -> Reference:
    """The one reading of what a request is about: audit, admission and routing must not differ in a corner.

    Raises:
        InvalidParamsError: the params are no object, or do not name what the method needs.
    """
    known = METHODS.get(method)
    if known is None:
        return NO_REFERENCE
    members = parse_members(raw)
    if known.named_by == _REF:
        return _read_completion(members)
    return Reference(known.kind, text_of(members, known.named_by) if known.named_by else "", members)


def _read_completion(members: Members) -> Reference:
    """A completion is for a prompt, or for a template: its reference has a `uri` then."""
    if _REF not in members:
        raise InvalidParamsError('The params need a member "ref".')
    reference = parse_members(members[_REF])
    if "uri" in reference and "name" in reference:
        # A backend could look at the one while we have judged by the other.
        raise InvalidParamsError('The reference needs either a "name" or a "uri".')
    if "uri" in reference:
        return Reference(Kind.TEMPLATE, text_of(reference, "uri"), members)
    return Reference(Kind.PROMPT, text_of(reference, "name"), members)
