"""The keys that editors write into a server's entry, and what each means here.

Keys are compared as they are written; ``known_as`` also finds those of other spellings.
"""

from collections.abc import Mapping
from typing import Final

from vmcp_api.base import Json
from vmcp_api.config import Transport
from vmcp_api.text.suggest import fold

SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "command": ("command",),
    "args": ("args",),
    "env": ("env", "environment"),
    "envFile": ("envFile",),
    "envVars": ("env_vars",),
    "cwd": ("cwd",),
    "url": ("httpUrl", "url", "serverUrl"),
    "headers": ("headers", "http_headers"),
    "envHeaders": ("env_http_headers",),
    "bearerTokenVar": ("bearer_token_env_var",),
    "type": ("type", "transport"),
    "disabled": ("disabled",),
    "enabled": ("enabled", "isActive"),
    "timeout": ("timeout", "timeoutMs", "tool_timeout_sec"),
}
"""What is read of an entry, and its spellings: ``serverUrl`` is Windsurf's, ``httpUrl`` is Gemini's, those with ``_``
are Codex's, ``environment`` is OpenCode's, ``isActive`` is Cherry Studio's."""

COMMANDS: Final = SPELLINGS["command"]
URLS: Final = SPELLINGS["url"]
KEYS: Final = tuple(written for spellings in SPELLINGS.values() for written in spellings)

FILTERS: Final = frozenset(
    {
        "tools",
        "includeTools",
        "excludeTools",
        "allowedTools",
        "disallowedTools",
        "blockedTools",
        "enabledTools",
        "disabledTools",
        "enabled_tools",
        "disabled_tools",
        "tool_filter",
        "toolFilter",
        "allowed_tools",
    }
)
"""Keys by which editors choose among a server's tools."""

ROOT_FILTERS: Final = frozenset(
    {"allowMCPServers", "excludeMCPServers", "enabledMcpjsonServers", "disabledMcpjsonServers", "disabledMcpServers"}
)
"""Keys beside the servers by which editors choose among them."""

SIGN_IN: Final = frozenset(
    {"auth", "authProviderType", "authorization", "authorization_token", "oauth", "headersHelper"}
)
"""Keys by which editors sign in to a server."""

EDITOR_KEYS: Final = frozenset(
    {
        "alwaysAllow",
        "alwaysLoad",
        "approved_tools",
        "autoApprove",
        "autostart",
        "default_tools_approval_mode",
        "description",
        "dev",
        "disableReloading",
        "gallery",
        "icon",
        "id",
        "installedFrom",
        "initTimeout",
        "name",
        "provider",
        "registryUrl",
        "required",
        "settings",
        "source",
        "startup_timeout_ms",
        "startup_timeout_sec",
        "startupTimeout",
        "tags",
        "trust",
        "version",
        "watchPaths",
    }
)
"""Keys that change nothing of what is served."""

WEBSOCKET: Final = frozenset({"ws", "wss", "websocket"})

_TRANSPORTS: Final = {
    "stdio": Transport.STDIO,
    "local": Transport.STDIO,
    "http": Transport.STREAMABLE_HTTP,
    "https": Transport.STREAMABLE_HTTP,
    "httpstream": Transport.STREAMABLE_HTTP,
    "remote": Transport.STREAMABLE_HTTP,
    "streamable": Transport.STREAMABLE_HTTP,
    "streamablehttp": Transport.STREAMABLE_HTTP,
    "sse": Transport.SSE,
}


def transport_of(written: Json) -> Transport | None:
    """The transport that a ``type`` names, in any case and with any separators."""
    return _TRANSPORTS.get(fold(written)) if isinstance(written, str) else None


def is_comment(key: str) -> bool:
    """Whether a key is how people write a comment into JSON, or names a schema."""
    return not key or key[0] in "_$#" or key.startswith("//") or fold(key) == "comment"


def is_set(value: Json) -> bool:
    """Whether an entry says something by a value: forms of editors write every key, the unused ones empty."""
    return value is not None and value not in ("", [], {})


def filters_nothing(key: str, value: Json) -> bool:
    """Whether what looks like a filter lets every tool through: all of them, or none shut out."""
    shuts_out = fold(key).startswith(("exclude", "disabled", "disallowed", "blocked"))
    return value is None or (value == [] if shuts_out else value in (["*"], "*"))


def is_disabled(entry: Mapping[str, Json]) -> bool:
    """Whether an entry says that its server is not to be used."""
    off = any(_is(entry.get(key), "true") for key in SPELLINGS["disabled"])
    return off or any(_is(entry.get(key), "false") for key in SPELLINGS["enabled"])


def _is(value: Json, word: str) -> bool:
    return isinstance(value, bool | str) and str(value).strip().lower() == word
