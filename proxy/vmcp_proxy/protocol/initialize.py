"""The handshake: what a client says, what we answer, and what we say to a backend."""

import functools
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import msgspec

from vmcp_proxy.protocol import extensions, params
from vmcp_proxy.protocol.extensions import Settings
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.modern.envelope_keys import SERVER_INFO
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import LATEST, MODERN, negotiate

NO_CAPABILITIES: Final = b"{}"
MAX_CAPABILITIES: Final = 16 << 10
MAX_CLIENT_INFO: Final = 4 << 10
"""Bytes of what a session keeps for its whole life; a longer description is left out, for nothing needs it."""

_OFFERS: Final = frozenset({"tools", "resources", "prompts", "completions", "logging"})
_MIRRORED: Final = {"elicitation": ("form", "url"), "roots": ("listChanged",), "sampling": ("context", "tools")}
"""Client capabilities that are declared to backends, those whose requests the relay carries to the client, and what the
specification has in each (MCP 2026-07-28, `ClientCapabilities`)."""

_EXPERIMENTAL: Final = "experimental"
_EMPTY: Final = msgspec.Raw(b"{}")

_EXTENSIONS: Final = "extensions"

LISTS: Final = ("tools", "resources", "prompts")

SUBSCRIBE: Final = "resources.subscribe"
"""Stands among the offers of a server that takes subscriptions to its resources."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What an `initialize` request says."""

    requested_version: str
    capabilities: bytes
    client_info: bytes

    @property
    def version(self) -> str:
        """The revision that the session will speak."""
        return negotiate(self.requested_version)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class ServerHello:
    """What a backend's `initialize` result says; `offers` are the names of its capabilities that are served here.

    `name` and `software` are those of its `serverInfo`, empty where it says none, or more than anybody needs.
    """

    version: str
    offers: frozenset[str]
    instructions: str | None
    extensions: Settings = field(default_factory=dict)
    name: str = ""
    software: str = ""


def parse_client_hello(raw: Raw | None) -> ClientHello:
    """Reads the params of `initialize`.

    Raises:
        InvalidParamsError: a required member is missing, has another type or is too long to be kept.
    """
    members = params.parse_members(raw)
    version = params.text_of(members, "protocolVersion")
    capabilities = params.parse_members(members.get("capabilities", msgspec.Raw(b"{}")))
    info = members.get("clientInfo", msgspec.Raw(b"{}"))
    params.parse_members(info)
    declared = params.encode_members(capabilities)
    if len(declared) > MAX_CAPABILITIES:
        raise InvalidParamsError(f'The member "capabilities" is longer than {MAX_CAPABILITIES} bytes.')
    return ClientHello(version, declared, bytes(info) if len(bytes(info)) <= MAX_CLIENT_INFO else b"{}")


@functools.lru_cache(maxsize=64)
def mirrored_capabilities(capabilities: bytes) -> bytes:
    """The client's capabilities as a backend hears them: those of which the requests are relayed, and extensions.

    The same ones always read the same, however a client writes them: each reading has lists of its own (ADR-0018).
    """
    members = params.parse_members(capabilities)
    found = {name: _standard(members[name], parts) for name, parts in _MIRRORED.items() if name in members}
    mirrored: params.Members = {name: raw for name, raw in found.items() if raw is not None}
    if _is_object(members.get(_EXPERIMENTAL)):
        mirrored[_EXPERIMENTAL] = members[_EXPERIMENTAL]
    if carried := extensions.parse_extensions(members.get(_EXTENSIONS)):
        mirrored[_EXTENSIONS] = msgspec.Raw(extensions.encode_extensions(carried))
    return params.encode_members(mirrored)


def _standard(raw: msgspec.Raw, parts: tuple[str, ...]) -> msgspec.Raw | None:
    """One of them, with what is known of it; None where it is no object, which declares nothing."""
    if not _is_object(raw):
        return None
    members = params.parse_members(raw)
    known = {part: members[part] for part in parts if part in members}
    said = {part: _EMPTY if _is_object(value) else value for part, value in known.items()}
    return msgspec.Raw(params.encode_members({part: value for part, value in said.items() if bytes(value) in _SAID}))


_SAID: Final = (b"{}", b"true")
"""Of a part: that it is there. Without `listChanged` is the same as with one that is false."""


def _is_object(raw: msgspec.Raw | None) -> bool:
    return raw is not None and bytes(raw)[:1] == b"{"


def encode_client_hello(capabilities: bytes, client_version: str) -> bytes:
    """The params of our `initialize` to a backend."""
    return (
        b'{"protocolVersion":"'
        + LATEST.encode()
        + b'","capabilities":'
        + capabilities
        + b',"clientInfo":{"name":"vmcp","version":"'
        + client_version.encode()
        + b'"}}'
    )


def parse_server_hello(raw: Raw) -> ServerHello:
    """Reads a backend's `initialize` result.

    Raises:
        InvalidParamsError: it is not one.
    """
    members = params.parse_members(raw)
    return _read_hello(params.text_of(members, "protocolVersion"), members, members.get("serverInfo"))


def parse_discovery(raw: Raw) -> tuple[tuple[str, ...], ServerHello]:
    """Reads a backend's `server/discover` result: the revisions that it speaks, and what it says of itself.

    Raises:
        InvalidParamsError: it is not one.
    """
    members = params.parse_members(raw)
    try:
        versions = msgspec.json.decode(members.get("supportedVersions", b""), type=tuple[str, ...])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidParamsError('The result needs a list of texts "supportedVersions".') from None
    try:
        info = params.parse_members(members.get("_meta")).get(SERVER_INFO)
    except InvalidParamsError:
        info = None
    return versions, _read_hello(MODERN, members, info)


def _read_hello(version: str, members: params.Members, info: Raw | None) -> ServerHello:
    declared = params.parse_members(members.get("capabilities", msgspec.Raw(b"{}")))
    offers = _OFFERS.intersection(declared)
    if _takes_subscriptions(declared.get("resources")):
        offers |= {SUBSCRIBE}
    carried = extensions.parse_extensions(declared.get(_EXTENSIONS))
    name, software = _server_info(info)
    return ServerHello(version, offers, params.optional_text_of(members, "instructions"), carried, name, software)


def _server_info(raw: Raw | None) -> tuple[str, str]:
    try:
        info = params.parse_members(raw)
        name, software = (params.optional_text_of(info, member) or "" for member in ("name", "version"))
    except InvalidParamsError:
        return "", ""
    return ("", "") if len(name) + len(software) > MAX_CLIENT_INFO else (name, software)


def _takes_subscriptions(resources: msgspec.Raw | None) -> bool:
    try:
        return bytes(params.parse_members(resources).get("subscribe", b"")) == b"true"
    except InvalidParamsError:
        return False


def capabilities_of(offers: frozenset[str], carried: Settings, lists: Collection[str]) -> dict[str, object]:
    """What the endpoint offers, in either era.

    Members of a group come and go while clients know of them, so all three `lists` are offered by default, with
    `listChanged`; `completions`, `logging`, subscriptions and extensions only while a backend answers them.
    """
    changing = {"listChanged": True}
    capabilities: dict[str, object] = dict.fromkeys((name for name in LISTS if name in lists), changing)
    if "resources" in capabilities and SUBSCRIBE in offers:
        capabilities["resources"] = {**changing, "subscribe": True}
    capabilities.update({extra: {} for extra in ("completions", "logging") if extra in offers})
    if carried:
        capabilities[_EXTENSIONS] = msgspec.Raw(extensions.encode_extensions(carried))
    return capabilities


def encode_server_hello(
    *,
    version: str,
    name: str,
    server_version: str,
    offers: frozenset[str],
    carried: Settings = extensions.NONE,
    instructions: str = "",
    lists: Collection[str] = LISTS,
) -> bytes:
    """Our result of `initialize`.

    See `capabilities_of` for what is offered.
    """
    result: dict[str, object] = {
        "protocolVersion": version,
        "capabilities": capabilities_of(offers, carried, lists),
        "serverInfo": {"name": name, "version": server_version},
    }
    if instructions:
        result["instructions"] = instructions
    return msgspec.json.encode(result)
