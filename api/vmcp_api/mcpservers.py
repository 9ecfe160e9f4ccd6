"""Claude and Cursor style server files become a proxy config for local mode."""

from collections.abc import Iterable, Mapping

from vmcp_api.backendnames import is_tagged, name_backends
from vmcp_api.config import Backend, Network, ProxyConfig, Transport
from vmcp_api.editorfile import EditorServer, EntryReader, ReadText
from vmcp_api.editortext import ServerFile, read_servers, refuse_entry
from vmcp_api.problems import Problem, Problems, Severity
from vmcp_api.render.rendered import Rendered
from vmcp_api.secret import SecretBytes, SecretKey
from vmcp_api.spec.headers import HeaderForward, HeaderFromSecret
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.references import KeyRef


def parse_mcp_servers(
    text: str, *, file: str, environment: Mapping[str, str], read_text: ReadText, name: str = "local"
) -> Rendered | Problems:
    """The config of a file with ``mcpServers`` (or VS Code's ``servers``).

    Variables of the values are filled in from ``environment``; ``read_text`` reads the files that ``envFile`` names.
    Values of ``env``, of those files and of ``headers`` are not in the config but in the secrets beside it.
    """
    found = read_servers(text)
    if isinstance(found, Problems):
        return found.in_file(file)
    servers, problems = _read_entries(found, environment, read_text)
    names = name_backends(found.entries)
    problems = found.text.place(problems + _name_problems(found.root, servers, names)).in_file(file)
    if problems.errors:
        return problems
    backends: list[Backend] = []
    secrets: dict[SecretKey, SecretBytes] = {}
    for index, (label, server) in enumerate(servers.items()):
        backends.append(_build_backend(names[label], server, f"server-{index}", secrets))
    config = ProxyConfig(
        name=name,
        incoming_auth=IncomingAuth(type=IncomingAuthType.LOCAL),
        backends=tuple(sorted(backends, key=lambda backend: backend.name)),
    )
    return Rendered(config, secrets, problems)


def find_env_files(text: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The files that a text names as ``envFile``, as they are written in it with variables filled in."""
    named: list[str] = []

    def note(path: str) -> str:
        named.append(path)
        return ""

    found = read_servers(text)
    if isinstance(found, ServerFile):
        _read_entries(found, environment, note)
    return tuple(named)


def _read_entries(
    found: ServerFile, environment: Mapping[str, str], read_text: ReadText
) -> tuple[dict[str, EditorServer], Problems]:
    """The servers that are to be served, by label, and what is wrong with the file."""
    servers: dict[str, EditorServer] = {}
    problems = found.warnings
    for label, entry in found.entries.items():
        if not isinstance(entry, dict):
            problems += Problems.of(refuse_entry(found.root, label))
        elif entry.get("disabled") is not True:
            reader = EntryReader(entry, (found.root, label), environment, read_text)
            server = reader.read()
            problems += reader.problems
            if server is not None:
                servers[label] = server
    return servers, problems


def _name_problems(root: str, servers: Iterable[str], names: Mapping[str, str]) -> Problems:
    """What is wrong with the labels of servers, and those whose name nobody could guess."""
    taken: dict[str, str] = {}
    problems: list[Problem] = []
    for label in servers:
        name = names[label]
        if not label.strip():
            problems.append(Problem("has no name", "write one, such as notes", (root, label)))
        elif taken.setdefault(name, label) != label:
            message = f"has the same name as another server once it is written {name!r}"
            problems.append(Problem(message, "rename one of the two", (root, label)))
        elif is_tagged(label, name):
            message = f"is called {name!r}, as names of tools hold only ASCII letters, digits, '_', '.' and '-'"
            remedy = "rename it to choose another"
            problems.append(Problem(message, remedy, (root, label), severity=Severity.WARNING))
    return Problems(tuple(problems))


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
