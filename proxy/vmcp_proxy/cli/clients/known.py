"""The MCP clients that are known: where each keeps its servers, and what an entry looks like; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TypeAlias

from vmcp_api.base import Json

Entry: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Client:
    """One client.

    `files` are paths by platform (`darwin`, `win32`, else `linux`), `~` is the user's folder, `@` that of its
    applications' settings. `http` holds the URL as `$`; without it the client takes programs only.
    """

    name: str
    title: str
    root: str
    files: Mapping[str, str]
    http: Entry | None
    stdio: Entry

    def file(self, platform: str, home: PurePath, settings: PurePath) -> PurePath:
        """Where it keeps its servers."""
        path = self.files.get(platform) or self.files["linux"]
        base, _, rest = path.partition("/")
        return (settings if base == "@" else home).joinpath(rest)

    def entry(self, url: str | None, command: tuple[str, ...]) -> Entry:
        """The entry for an endpoint's URL, or for a command where there is none."""
        if url is not None and self.http is not None:
            return {key: url if value == "$" else value for key, value in self.http.items()}
        program, *arguments = command
        if self.stdio.get("command") == []:
            return {**self.stdio, "command": list(command)}
        return {**self.stdio, "command": program, "args": list(arguments)}


def _everywhere(path: str) -> dict[str, str]:
    return {"linux": path}


_CLINE: Final = "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"

CLIENTS: Final = (
    Client(
        "claude-desktop", "Claude Desktop", "mcpServers", _everywhere("@/Claude/claude_desktop_config.json"), None, {}
    ),
    Client(
        "claude-code",
        "Claude Code",
        "mcpServers",
        _everywhere("~/.claude.json"),
        {"type": "http", "url": "$"},
        {"type": "stdio"},
    ),
    Client("cursor", "Cursor", "mcpServers", _everywhere("~/.cursor/mcp.json"), {"url": "$"}, {}),
    Client(
        "vscode",
        "VS Code",
        "servers",
        _everywhere("@/Code/User/mcp.json"),
        {"type": "http", "url": "$"},
        {"type": "stdio"},
    ),
    Client(
        "windsurf", "Windsurf", "mcpServers", _everywhere("~/.codeium/windsurf/mcp_config.json"), {"serverUrl": "$"}, {}
    ),
    Client(
        "zed",
        "Zed",
        "context_servers",
        {"linux": "~/.config/zed/settings.json", "win32": "@/Zed/settings.json"},
        {"url": "$"},
        {},
    ),
    Client("gemini-cli", "Gemini CLI", "mcpServers", _everywhere("~/.gemini/settings.json"), {"httpUrl": "$"}, {}),
    Client("codex", "Codex", "mcp_servers", _everywhere("~/.codex/config.toml"), {"url": "$"}, {}),
    Client("cline", "Cline", "mcpServers", _everywhere(f"@/{_CLINE}"), {"type": "streamableHttp", "url": "$"}, {}),
)
