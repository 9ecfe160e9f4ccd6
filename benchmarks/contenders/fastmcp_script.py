"""A FastMCP proxy, run by an interpreter that has `fastmcp`; imports nothing else.

Arguments: its port, then the endpoints of its backends.
"""

import sys

from fastmcp.server import create_proxy  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Serves one backend under its own names, several each under a prefix."""
    port, *urls = sys.argv[1:]
    servers = {f"b{number:03}": {"url": url, "transport": "http"} for number, url in enumerate(urls)}
    proxy = create_proxy(urls[0] if len(urls) == 1 else {"mcpServers": servers}, name="bench")
    proxy.run(transport="http", host="127.0.0.1", port=int(port), path="/mcp", show_banner=False, log_level="error")


if __name__ == "__main__":
    main()
