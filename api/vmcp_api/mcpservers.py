"""Claude and Cursor style server files become a proxy config for local mode."""

import json
import re
from collections.abc import Mapping
from typing import Final

from vmcp_api.base import Json
from vmcp_api.config import Backend, Network, ProxyConfig, Transport
from vmcp_api.editorfile import EditorServer, EntryReader
from vmcp_api.problems import Problem, Problems, Severity
from vmcp_api.render.rendered import Rendered
from vmcp_api.secret import SecretBytes, SecretKey
from vmcp_api.spec.headers import HeaderForward, HeaderFromSecret
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.references import KeyRef
from vmcp_api.suggest import fold, suggest

ROOTS: Final = ("mcpServers", "servers")
"""Keys under which editors keep their servers."""

MAX_SERVERS: Final = 256
_NAME_LIMIT: Final = 63


def parse_mcp_servers(
    text: str, *, file: str, environment: Mapping[str, str], name: str = "local"
) -> Rendered | Problems:
    """The config of a file with ``mcpServers`` (or VS Code's ``servers``).

    Variables of the values are filled in from ``environment``. Values of ``env`` and ``headers`` are not in
    the config but in the secrets beside it.
    """
    servers = _read_file(text)
    if isinstance(servers, Problems):
        return servers.in_file(file)
    root, entries, warnings = servers
    backends: dict[str, Backend] = {}
    secrets: dict[SecretKey, SecretBytes] = {}
    problems = warnings
    for index, (label, entry) in enumerate(entries.items()):
        reader = EntryReader(entry, (root, label), environment)
        server = None if entry.get("disabled") is True else reader.read()
        problems += reader.problems
        backend_name = _backend_name(label)
        if backend_name in backends:
            message = f"has the same name as another server once it is written {backend_name!r}"
            problems += Problems.of(Problem(message, "rename one of the two", (root, label)))
        elif server is not None:
            backends[backend_name] = _build_backend(backend_name, server, f"server-{index}", secrets)
    if problems.errors:
        return problems.in_file(file)
    config = ProxyConfig(
        name=name,
        incoming_auth=IncomingAuth(type=IncomingAuthType.LOCAL),
        backends=tuple(backends[key] for key in sorted(backends)),
    )
    return Rendered(config, secrets, problems.in_file(file))


def _read_file(text: str) -> tuple[str, dict[str, dict[str, Json]], Problems] | Problems:
    """The key of the servers, the entries by label, and warnings."""
    try:
        data = json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        message = f"is no JSON: {error.msg}"
        return Problems.of(Problem(message, "check commas, quotes and brackets", line=error.lineno))
    except (ValueError, RecursionError):
        return Problems.of(Problem("is no JSON that can be read", "remove repeated keys and deep nesting"))
    known = data if isinstance(data, dict) else {}
    root = next((key for key in ROOTS if key in known), None)
    if root is None:
        found = next((key for key in known if fold(key) == fold(ROOTS[0])), None)
        remedy = suggest(found, ROOTS, noun="keys") if found else "write the servers under mcpServers"
        return Problems.of(Problem("names no servers", remedy, (found,) if found else ()))
    entries = known[root]
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        remedy = 'write "name": {"command": …} or "name": {"url": …}'
        return Problems.of(Problem("must be a mapping of servers", remedy, (root,)))
    if len(entries) > MAX_SERVERS:
        return Problems.of(Problem(f"names more than {MAX_SERVERS} servers", "split the file", (root,)))
    other = tuple(
        Problem("is not read here", "nothing to do; only editors use it", (key,), severity=Severity.WARNING)
        for key in known
        if key != root
    )
    return root, entries, Problems(other)


def _distinct(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _backend_name(label: str) -> str:
    """The label with what tool names cannot hold replaced."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", label)[:_NAME_LIMIT] or "_"


def _build_backend(name: str, server: EditorServer, holder: str, secrets: dict[SecretKey, SecretBytes]) -> Backend:
    """The backend, its secret values added to ``secrets`` under the name ``holder``."""
    if server.transport is Transport.STDIO:
        env = {key: _hide(holder, f"env.{key}", value, secrets) for key, value in server.env.items()}
        return Backend(
            name=name,
            kind="MCPServer",
            transport=server.transport,
            network=Network.LOCAL,
            command=server.command,
            env_from_secret=env,
            cwd=server.cwd,
        )
    headers = tuple(
        HeaderFromSecret(header_name=header, value_secret_ref=_hide(holder, f"header.{index}", value, secrets))
        for index, (header, value) in enumerate(server.headers.items())
    )
    return Backend(
        name=name,
        kind="MCPServerEntry",
        transport=server.transport,
        url=server.url,
        network=Network.LOCAL,
        header_forward=HeaderForward(add_headers_from_secret=headers),
    )


def _hide(holder: str, key: str, value: str, secrets: dict[SecretKey, SecretBytes]) -> KeyRef:
    secrets[holder, key] = SecretBytes(value.encode())
    return KeyRef(name=holder, key=key)
