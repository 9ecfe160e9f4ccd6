"""Entries of an editor's file that lead back to the endpoint that serves the file: serving one would never end."""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from vmcp_api.editor.file import EditorServer
from vmcp_proxy.cli.serve.addresses import is_loopback

_NAMES: Final = frozenset({"vmcp", "vmcp_proxy"})


def itself(file: Path, port: int | None = None) -> Callable[[EditorServer], bool]:
    """Whether a server of `file` is the endpoint that serves it, at `port` of this machine where that is known."""

    def leads_back(server: EditorServer) -> bool:
        return _starts(server, file) if server.url is None else _is_at(server.url, port)

    return leads_back


def _starts(server: EditorServer, file: Path) -> bool:
    if "serve" not in server.command or _NAMES.isdisjoint(Path(word).stem for word in server.command):
        return False
    folder = Path(server.cwd or ".")
    return any(_is_same(folder / word.removeprefix("--mcp-config="), file) for word in server.command)


def _is_same(path: Path, file: Path) -> bool:
    try:
        return path.samefile(file)
    except (OSError, ValueError):
        return False


def _is_at(url: str, port: int | None) -> bool:
    parts = urlsplit(url)
    try:
        return bool(port) and parts.port == port and is_loopback(parts.hostname or "")
    except ValueError:
        return False
