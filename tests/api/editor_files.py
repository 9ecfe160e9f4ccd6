"""Server files as people have them, by editor, and what each means: a new oddity is one more row.

The forms follow what each editor documents, or what people share; names and values are made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STDIO, HTTP, SSE = "stdio", "streamable-http", "sse"


@dataclass(frozen=True)
class Server:
    """What is served of one entry; `env` and `headers` are the values behind the references."""

    transport: str
    where: tuple[str, ...] | str
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    cwd: str | None = None


@dataclass(frozen=True)
class Row:
    """A file and what comes of it; `warned` are parts of the warnings, one each, in order."""

    name: str
    text: str
    servers: Mapping[str, Server] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def program(*command: str, **more) -> Server:
    return Server(STDIO, command, **more)


def http(url: str, **more) -> Server:
    return Server(HTTP, url, **more)


FILES = (
    Row(
        "Claude Desktop, with settings beside the servers",
        """{"globalShortcut": "", "preferences": {}, "mcpServers": {
            "files": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/data"]},
            "_old": "kept for later"}}""",
        {"files": program("npx", "-y", "@modelcontextprotocol/server-filesystem", "/data")},
        warned=("other settings of this file are not read here: globalShortcut, preferences",),
    ),
    Row(
        "Claude Code, a project's .mcp.json",
        """{"mcpServers": {
            "api": {"type": "http", "url": "${BASE:-https://api.example}/mcp",
                    "headers": {"Authorization": "Bearer ${TOKEN}"}, "timeout": 600000,
                    "oauth": {"clientId": "x", "callbackPort": 8765}},
            "events": {"type": "sse", "url": "https://events.example/sse", "alwaysLoad": true},
            "socket": {"type": "ws", "url": "wss://socket.example/mcp"},
            "db": {"type": "stdio", "command": "db-mcp", "args": ["--port", 5432], "env": {"PORT": 3000, "DEBUG": true}}
        }}""",
        {
            "api": http("https://api.example/mcp", headers={"Authorization": "Bearer t"}, timeout=600),
            "events": Server(SSE, "https://events.example/sse"),
            "db": program("db-mcp", "--port", "5432", env={"PORT": "3000", "DEBUG": "true"}),
        },
        withheld=("socket",),
        warned=("api.oauth: is not read here: nobody signs in", "events.alwaysLoad", "socket.type: names WebSockets"),
        environment={"TOKEN": "t"},
    ),
    Row(
        "Claude Code, a user's file with servers of projects, as `claude mcp add` writes them by default",
        """{"numStartups": 4, "mcpServers": {"db": {"command": "db-mcp"}}, "projects": {
            "/home/me/a": {"allowedTools": [], "mcpServers": {"one": {"command": "one"}, "two": {"command": "two"}}},
            "/home/me/b": {"mcpServers": {}}, "/home/me/c": null}}""",
        {"db": program("db-mcp")},
        warned=(
            "projects: holds servers of single projects, which are not served: one, two; copy those you want",
            "other settings of this file are not read here: numStartups; nothing to do",
        ),
    ),
    Row(
        "Claude Code, a plugin's file without a key around the servers",
        """{"db": {"command": "${CLAUDE_PLUGIN_ROOT}/db", "args": []}, "_comment": "of the plugin"}""",
        {"db": program("/plugin/db")},
        environment={"CLAUDE_PLUGIN_ROOT": "/plugin"},
    ),
    Row(
        "Cursor, with a file of variables that is not there and variables of the editor",
        """{"mcpServers": {
            "a": {"command": "python", "args": ["${workspaceFolder}/a.py"]},
            "b": {"command": "python", "args": ["${userHome}/b.py"], "type": "stdio"},
            "c": {"url": "http://localhost:3000/sse"}}}""",
        {"b": program("python", "/home/me/b.py"), "c": http("http://localhost:3000/sse")},
        withheld=("a",),
        warned=("mcpServers.a.args[0]: needs the variable workspaceFolder",),
        environment={"userHome": "/home/me"},
    ),
    Row(
        "VS Code, mcp.json with inputs",
        """{
            // Asked for once.
            "inputs": [{"type": "promptString", "id": "key", "description": "Key", "password": true}],
            "servers": {
                "asks": {"type": "stdio", "command": "npx", "args": ["x"], "env": {"KEY": "${input:key}"}},
                "plain": {"type": "http", "url": "https://plain.example/mcp", "gallery": true, "version": "1.0.0"},
                "dev": {"type": "stdio", "command": "node", "args": ["s.js"], "env": {"GONE": null},
                        "dev": {"watch": "**/*.js"}},
            }
        }""",
        {"plain": http("https://plain.example/mcp"), "dev": program("node", "s.js")},
        withheld=("asks",),
        warned=(
            "not read here: inputs",
            "servers.asks.env.KEY: needs the variable input:key",
            "plain.gallery",
            "plain.version",
            "servers.dev.dev",
        ),
    ),
    Row(
        "VS Code, settings.json",
        """{"editor.fontSize": 12, "mcp": {"inputs": [], "servers": {"a": {"command": "x"}}},}""",
        {"a": program("x")},
        warned=("not read here: editor.fontSize",),
    ),
    Row(
        "Copilot CLI, all tools",
        """{"mcpServers": {
            "a": {"type": "local", "command": "npx", "args": ["a"], "tools": ["*"], "env": {}, "timeout": 30000},
            "b": {"type": "HTTP", "url": "https://b.example/mcp", "tools": ["one"], "headers": {}},
            "c": {"type": "remote", "url": "https://c.example/mcp", "tools": []}}}""",
        {
            "a": program("npx", "a", timeout=30),
            "b": http("https://b.example/mcp"),
            "c": http("https://c.example/mcp"),
        },
        warned=("b.tools: does not filter here: every tool of the server is served", "c.tools: does not filter here"),
    ),
    Row(
        "Windsurf",
        """{"mcpServers": {"a": {"serverUrl": "https://a.example/mcp", "disabledTools": ["x"]},
                           "b": {"command": "x", "args": [], "env": {}, "disabled": false, "disabledTools": []}}}""",
        {"a": http("https://a.example/mcp"), "b": program("x")},
        warned=("a.disabledTools: does not filter here",),
    ),
    Row(
        "Cline",
        """{"mcpServers": {
            "a": {"command": "node", "args": ["a.js"], "autoApprove": ["t"], "disabled": true, "timeout": 1800},
            "b": {"command": "node", "args": ["b.js"], "autoApprove": [], "disabled": false, "timeout": 1800},
            "c": {"type": "streamableHttp", "url": "https://c.example/mcp", "timeout": 60}}}""",
        {"b": program("node", "b.js", timeout=1800), "c": http("https://c.example/mcp", timeout=60)},
        warned=("mcpServers.a: is disabled in this file and not served", "b.autoApprove"),
    ),
    Row(
        "Roo Code",
        """{"mcpServers": {"a": {"type": "streamable-http", "url": "https://a.example/mcp", "alwaysAllow": ["x"],
            "disabledTools": ["y"], "watchPaths": ["/x"], "timeout": 3600}}}""",
        {"a": http("https://a.example/mcp", timeout=3600)},
        warned=("a.alwaysAllow", "a.disabledTools: does not filter", "a.watchPaths"),
    ),
    Row(
        "Gemini CLI, settings.json",
        """{"theme": "GitHub", "mcp": {"allowed": ["a"]}, "excludeMCPServers": ["b"], "mcpServers": {
            "a": {"httpUrl": "https://a.example/mcp", "timeout": 600000, "trust": true, "excludeTools": ["x"]},
            "b": {"command": "b", "cwd": "./b", "includeTools": ["y"], "authProviderType": "google_credentials"}}}""",
        {"a": http("https://a.example/mcp", timeout=600), "b": program("b", cwd="./b")},
        warned=(
            "excludeMCPServers: does not filter here: every server is served",
            "not read here: theme, mcp",
            "a.trust",
            "a.excludeTools: does not filter",
            "b.includeTools: does not filter",
            "b.authProviderType: is not read here: nobody signs in",
        ),
    ),
    Row(
        "Zed, settings.json",
        """{"theme": "One", "context_servers": {
            "old": {"command": {"path": "zed-mcp", "args": ["--old"], "env": {"A": "1"}}, "settings": {}},
            "new": {"source": "custom", "enabled": true, "command": "npx", "args": ["x"], "env": {}},
            "off": {"source": "custom", "enabled": false, "command": "npx"},
            "extension": {"source": "extension", "enabled": true, "settings": {"token": "t"}}}}""",
        {"old": program("zed-mcp", "--old", env={"A": "1"}), "new": program("npx", "x")},
        withheld=("extension",),
        warned=(
            "not read here: theme",
            "old.settings",
            "new.source",
            "context_servers.off: is disabled",
            "extension.source",
            "extension.settings",
            "context_servers.extension: has neither command nor url",
        ),
    ),
    Row(
        "Codex, config.toml",
        """model = "m"
[mcp_servers.files]
command = "npx"
args = ["-y", "files"]
env_vars = ["HOME_TOKEN", "NOT_SET"]
startup_timeout_sec = 20
tool_timeout_sec = 4000
[mcp_servers.files.env]
A = "1"
[mcp_servers.api]
url = "https://api.example/mcp"
bearer_token_env_var = "API_TOKEN"
http_headers = { "X-A" = "1" }
env_http_headers = { "X-B" = "HOME_TOKEN" }
enabled_tools = ["x"]
[mcp_servers.off]
command = "x"
enabled = false
""",
        {
            "files": program("npx", "-y", "files", env={"HOME_TOKEN": "h", "A": "1"}, timeout=4000),
            "api": http("https://api.example/mcp", headers={"X-A": "1", "Authorization": "Bearer t", "X-B": "h"}),
        },
        warned=(
            "not read here: model",
            "files.startup_timeout_sec",
            "api.enabled_tools: does not filter",
            "mcp_servers.off: is disabled",
        ),
        environment={"API_TOKEN": "t", "HOME_TOKEN": "h"},
    ),
    Row(
        "Continue, YAML with a list",
        """name: mine
version: 0.0.1
schema: v1
mcpServers:
  - name: files
    command: npx
    args: ["-y", "files"]
    env:
      PORT: 3000
  - name: api
    type: streamable-http
    url: https://api.example/mcp
  - command: unnamed
""",
        {
            "files": program("npx", "-y", "files", env={"PORT": "3000"}),
            "api": http("https://api.example/mcp"),
            "server-2": program("unnamed"),
        },
        warned=("not read here: name, version, schema", "files.name", "api.name"),
    ),
    Row(
        "OpenCode, a command in one list",
        """{"$schema": "https://opencode.ai/config.json", "model": "m", "mcp": {
            "a": {"type": "local", "command": ["bun", "x", "a"], "environment": {"A": "1"}, "enabled": true},
            "b": {"type": "remote", "url": "https://b.example/mcp", "enabled": false},
            "c": {"type": "remote", "url": "https://c.example/mcp", "timeout": {"startup": 1, "request": 90000}}}}""",
        {
            "a": program("bun", "x", "a", env={"A": "1"}),
            "c": http("https://c.example/mcp", timeout=90),
        },
        warned=("not read here: model", "mcp.b: is disabled"),
    ),
    Row("Amp", """{"amp.mcpServers": {"a": {"command": "x"}}}""", {"a": program("x")}),
    Row(
        "Cherry Studio, every key of a form written",
        """{"mcpServers": {"a": {"name": "A", "type": "stdio", "isActive": true, "command": "uvx", "args": ["a"],
            "url": "", "baseUrl": "", "headers": {}, "env": {}, "disabledTools": [], "cwd": "", "envFile": null}}}""",
        {"a": program("uvx", "a")},
        warned=("a.name", "a.baseUrl: is an unknown key"),
    ),
    Row(
        "comments in JSON, in every form that people found",
        """{"$schema": "x", "_comment": "x", "//": "x", "mcpServers": {"//": "off for now", "_comment": "x",
            "a": {"_comment": "x", "//": "x", "#": "x", "comment": "x", "command": "x"}}}""",
        {"a": program("x")},
    ),
    Row(
        "a type that contradicts the rest, or that nobody knows",
        """{"mcpServers": {"a": {"type": "sse", "command": "x"}, "b": {"type": "stdio", "url": "http://b.example"},
            "c": {"type": "magic", "url": "http://c.example"}, "d": {"transport": "Streamable_HTTP", "url": "http://d"},
            "e": {"type": "http", "command": "mcp-remote", "url": "http://e"},
            "f": {"type": "local", "command": "f", "url": "http://f"}}}""",
        {
            "a": program("x"),
            "b": http("http://b.example"),
            "c": http("http://c.example"),
            "d": http("http://d"),
            "e": http("http://e"),
            "f": program("f"),
        },
        warned=(
            "a.type: does not fit the rest of the entry: taken for stdio",
            "b.type: does not fit the rest of the entry: taken for streamable-http",
            "c.type: is no transport that is known here: taken for streamable-http",
            "e.command: is not read, as type says",
            "f.url: is not read, as type says",
        ),
    ),
    Row(
        "headers that belong to the connection",
        """{"mcpServers": {"a": {"url": "http://a/mcp", "headers": {"Accept": "application/json", "X-A": 1,
            "content-type": "application/json", "MCP-Protocol-Version": "2025-06-18"}}}}""",
        {"a": http("http://a/mcp", headers={"X-A": "1"})},
        warned=("headers.Accept: ", "headers['content-type']: ", "headers['MCP-Protocol-Version']: "),
    ),
    Row(
        "bounds of calls",
        """{"mcpServers": {"text": {"command": "x", "timeout": "90000"}, "unit": {"command": "x", "timeout": "2m"},
            "ms": {"command": "x", "timeoutMs": 500}, "most": {"command": "x", "timeout": 1e12},
            "edge": {"command": "x", "timeout": 3601},
            "none": {"command": "x", "timeout": 0}, "odd": {"command": "x", "timeout": true}}}""",
        {
            "text": program("x", timeout=90),
            "unit": program("x", timeout=120),
            "ms": program("x", timeout=0.5),
            "most": program("x", timeout=86400),
            "edge": program("x", timeout=3.601),
            "none": program("x"),
            "odd": program("x"),
        },
        warned=("none.timeout: is no bound of a call", "odd.timeout: is no bound of a call"),
    ),
)
