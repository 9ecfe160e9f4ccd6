"""Which servers are run, and what is asked of each: a new one is one row."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Server:
    """One server from a package registry.

    `command` is its program, a name that the package installs, with arguments; `{tmp}` is a folder of its own,
    `{port}` a free port. With `path` it serves HTTP there. `calls` are tools with arguments whose answers do not
    depend on time or network; `reads` are URIs. Servers of web services are only
    listed: a call of theirs would leave this machine. `beside` is a requirement that its own metadata lack.
    """

    name: str
    source: Literal["npm", "pypi", "go"]
    package: str
    version: str
    command: str
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    reads: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    beside: str = ""
    path: str = ""
    transport: Literal["http", "sse"] = "http"


_ECHO = (("echo", {"message": "Grüße\u2028"}),)
_SUMS = (*_ECHO, ("get-sum", {"a": 2, "b": 3}), ("get-annotated-message", {"messageType": "error"}))
_EVERYTHING = ("@modelcontextprotocol/server-everything", "2026.8.31")

SERVERS = (
    Server("everything", "npm", *_EVERYTHING, "mcp-server-everything stdio", _SUMS),
    Server("everything-http", "npm", *_EVERYTHING, "mcp-server-everything streamableHttp", _SUMS, path="/mcp"),
    Server("everything-sse", "npm", *_EVERYTHING, "mcp-server-everything sse", _SUMS, path="/sse", transport="sse"),
    Server(
        "filesystem",
        "npm",
        "@modelcontextprotocol/server-filesystem",
        "2026.8.31",
        "mcp-server-filesystem {tmp}",
        (
            ("write_file", {"path": "{tmp}/a.txt", "content": "one\ntwo\n"}),
            ("read_text_file", {"path": "{tmp}/a.txt", "head": 1}),
            ("list_directory", {"path": "{tmp}"}),
            ("read_text_file", {"path": "/etc/passwd"}),
        ),
    ),
    Server(
        "memory",
        "npm",
        "@modelcontextprotocol/server-memory",
        "2026.8.31",
        "mcp-server-memory",
        (
            ("create_entities", {"entities": [{"name": "n", "entityType": "t", "observations": ["o"]}]}),
            ("read_graph", {}),
        ),
        env=(("MEMORY_FILE_PATH", "{tmp}/memory.json"),),
    ),
    Server(
        "thinking",
        "npm",
        "@modelcontextprotocol/server-sequential-thinking",
        "2026.8.31",
        "mcp-server-sequential-thinking",
        (("sequentialthinking", {"thought": "x", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}),),
    ),
    Server(
        "github",
        "npm",
        "@modelcontextprotocol/server-github",
        "2025.4.8",
        "mcp-server-github",
        (("get_issue", {"owner": 1}),),
    ),
    Server("context7", "npm", "@upstash/context7-mcp", "4.1.1", "context7-mcp --transport stdio"),
    Server(
        "context7-http",
        "npm",
        "@upstash/context7-mcp",
        "4.1.1",
        "context7-mcp --transport http --port {port}",
        path="/mcp",
    ),
    Server("playwright", "npm", "@playwright/mcp", "0.0.83", "playwright-mcp --headless"),
    Server("devtools", "npm", "chrome-devtools-mcp", "1.11.0", "chrome-devtools-mcp --no-usage-statistics"),
    Server("notion", "npm", "@notionhq/notion-mcp-server", "2.5.2", "notion-mcp-server"),
    Server("chart", "npm", "@antv/mcp-server-chart", "0.9.10", "mcp-server-chart"),
    Server(
        "firecrawl",
        "npm",
        "firecrawl-mcp",
        "3.22.2",
        "firecrawl-mcp",
        env=(("FIRECRAWL_API_KEY", "none"), ("FIRECRAWL_API_URL", "http://127.0.0.1:9")),
    ),
    Server("eslint", "npm", "@eslint/mcp", "0.3.13", "mcp"),
    Server("time", "pypi", "mcp-server-time", "2026.10.19", "mcp-server-time --local-timezone UTC"),
    Server(
        "git", "pypi", "mcp-server-git", "2026.10.19", "mcp-server-git", (("git_status", {"repo_path": "/nowhere"}),)
    ),
    Server("fetch", "pypi", "mcp-server-fetch", "2026.10.24", "mcp-server-fetch", (("fetch", {"url": 7}),)),
    Server(
        "sqlite",
        "pypi",
        "mcp-server-sqlite",
        "2025.4.25",
        "mcp-server-sqlite --db-path {tmp}/a.db",
        (
            ("create_table", {"query": "CREATE TABLE t (a INTEGER)"}),
            ("write_query", {"query": "INSERT INTO t VALUES (7)"}),
            ("read_query", {"query": "SELECT a FROM t"}),
            ("append_insight", {"insight": "seven"}),
        ),
        ("memo://insights",),
        beside="mcp<2",
    ),
    Server(
        "calculator",
        "pypi",
        "mcp-server-calculator",
        "0.2.1",
        "mcp-server-calculator",
        (("calculate", {"expression": "6*7"}),),
    ),
    Server("duckduckgo", "pypi", "duckduckgo-mcp-server", "0.7.0", "duckduckgo-mcp-server"),
    Server("arxiv", "pypi", "arxiv-mcp-server", "0.8.2", "arxiv-mcp-server --storage-path {tmp}"),
    Server(
        "excel",
        "pypi",
        "excel-mcp-server",
        "2.2.2",
        "excel-mcp-server stdio",
        (("create_workbook", {"filepath": "{tmp}/a.xlsx"}), ("list_workbooks", {"directory": "{tmp}"})),
    ),
    Server("aws", "pypi", "awslabs.aws-documentation-mcp-server", "1.2.3", "awslabs.aws-documentation-mcp-server"),
    Server("atlassian", "pypi", "mcp-atlassian", "0.23.1", "mcp-atlassian"),
    Server(
        "motherduck", "pypi", "mcp-server-motherduck", "1.1.0", "mcp-server-motherduck --db-path :memory: --read-write"
    ),
    Server(
        "go-everything",
        "go",
        "github.com/modelcontextprotocol/go-sdk/examples/server/everything",
        "v1.8.0",
        "everything",
    ),
    Server("go-memory", "go", "github.com/modelcontextprotocol/go-sdk/examples/server/memory", "v1.8.0", "memory"),
    Server("mcp-go", "go", "github.com/mark3labs/mcp-go/examples/everything", "v1.2.1", "everything -t stdio"),
)
