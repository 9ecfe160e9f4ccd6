"""The server files of editors become a proxy config for local mode (ADR-0033)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from vmcp_api.base import Json
from vmcp_api.config import Backend, Network, ProxyConfig, Transport, Withheld
from vmcp_api.config.proxy import VmcpConfig
from vmcp_api.editor.backend_names import is_tagged, name_backends
from vmcp_api.editor.file import EditorServer, EntryReader, ReadText
from vmcp_api.editor.keys import URLS, is_disabled
from vmcp_api.editor.text import ServerFile, read_servers, refuse_entry
from vmcp_api.manifests.problems import Loc, Problem, Problems, Severity
from vmcp_api.render.reasons import Reason
from vmcp_api.render.rendered import Rendered
from vmcp_api.secret import SecretBytes, SecretKey
from vmcp_api.spec.headers import HeaderForward, HeaderFromSecret
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.operational import Operational, Timeouts
from vmcp_api.spec.references import KeyRef
from vmcp_api.text.texts import printable

_MESSAGE_LIMIT = 1024


def parse_mcp_servers(
    text: str,
    *,
    file: str,
    environment: Mapping[str, str],
    read_text: ReadText,
    name: str = "local",
    call_timeout: float | None = None,
    is_itself: Callable[[EditorServer], bool] = lambda _: False,
) -> Rendered | Problems:
    """The config of a server file of Claude, Cursor, VS Code, Codex, Zed and the others of ADR-0033.

    An entry that cannot be served is withheld with a warning, and the rest is served. Variables of the values are
    filled in from ``environment``; ``read_text`` reads the files that ``envFile`` names. Values of ``env``, of those
    files and of ``headers`` are not in the config but in the secrets beside it. ``call_timeout`` bounds the calls of
    servers whose entry says nothing of it, in seconds. ``is_itself`` says which server is the endpoint that serves
    the file; that one is left out.
    """
    found = read_servers(text)
    if isinstance(found, Problems):
        return found.in_file(file)
    read = _Entries(found, environment, read_text, is_itself)
    backends: list[Backend] = []
    secrets: dict[SecretKey, SecretBytes] = {}
    for index, (backend_name, server) in enumerate(read.servers.items()):
        backends.append(_build_backend(backend_name, server, f"server-{index}", secrets))
    bounds = {backend: server.timeout for backend, server in read.servers.items() if server.timeout is not None}
    config = ProxyConfig(
        name=name,
        incoming_auth=IncomingAuth(type=IncomingAuthType.LOCAL),
        backends=tuple(sorted(backends, key=lambda backend: backend.name)),
        withheld=tuple(sorted(read.withheld, key=lambda each: each.name)),
        config=VmcpConfig(operational=Operational(timeouts=_timeouts(bounds, call_timeout))),
    )
    return Rendered(config, secrets, found.text.place(Problems(tuple(read.problems))).in_file(file))


def find_env_files(text: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The files that a text names as ``envFile``, as they are written in it with variables filled in."""
    named: list[str] = []

    def note(path: str) -> str:
        named.append(path)
        return ""

    found = read_servers(text)
    if isinstance(found, ServerFile):
        _Entries(found, environment, note)
    return tuple(named)


@dataclass(slots=True)
class _Entries:
    """The servers of a file by the names of their backends, those that are withheld, and warnings about all of it."""

    found: ServerFile
    environment: Mapping[str, str] = field(repr=False)
    read_text: ReadText
    is_itself: Callable[[EditorServer], bool] = lambda _: False
    servers: dict[str, EditorServer] = field(default_factory=dict)
    withheld: list[Withheld] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.problems += self.found.warnings
        names = name_backends(self.found.entries)
        taken: set[str] = set()
        for label, entry in self.found.entries.items():
            name, loc = names[label], (*self.found.root, label)
            if isinstance(entry, dict) and is_disabled(entry):
                self._warn(loc, "is disabled in this file and not served", "enable it there to serve it")
            elif not label.strip():
                self._warn(loc, "has no name, so that it is not served", "write one, such as notes")
            elif name in taken:
                message = f"has the same name as another server once it is written {name!r}, so that it is not served"
                self._warn(loc, message, "rename one of the two")
            else:
                taken.add(name)
                self._read(name, loc, entry)
                if is_tagged(label, name):
                    message = f"is called {name!r}, as names of tools hold only ASCII letters, digits, '_', '.' and '-'"
                    self._warn(loc, message, "rename it to choose another")

    def _read(self, name: str, loc: Loc, entry: Json) -> None:
        if not isinstance(entry, dict):
            self._withhold(name, "MCPServer", Problems.of(refuse_entry(loc)))
            return
        reader = EntryReader(entry, loc, self.environment, self.read_text)
        server = reader.read()
        if server is None:
            kind = "MCPServerEntry" if any(key in entry for key in URLS) else "MCPServer"
            self._withhold(name, kind, reader.problems)
        elif self.is_itself(server):
            message = "is the endpoint that serves this file, and not served in turn"
            self._warn(loc, message, "nothing to do; the entry is for the editor")
        else:
            self.servers[name] = server
            self.problems += reader.problems

    def _withhold(self, name: str, kind: str, problems: Problems) -> None:
        first = next(iter(problems.errors))
        message = printable(f"{first.path}: {first.message}; {first.remedy}")[:_MESSAGE_LIMIT]
        self.withheld.append(Withheld(name=name, kind=kind, reason=Reason.INVALID_ENTRY, message=message))
        for problem in problems:
            said = f"{problem.message}, so that the server is withheld" if problem is first else problem.message
            self.problems.append(replace(problem, message=said, severity=Severity.WARNING))

    def _warn(self, loc: Loc, message: str, remedy: str) -> None:
        self.problems.append(Problem(message, remedy, loc, severity=Severity.WARNING))


def _timeouts(bounds: Mapping[str, float], call_timeout: float | None) -> Timeouts:
    """The bounds of calls; none is cut short by the one that holds whatever progress there is."""
    usual = Timeouts()
    default = usual.default if call_timeout is None else call_timeout
    maximum = max([usual.maximum, default, *bounds.values()])
    return Timeouts(default=default, per_workload=dict(bounds), maximum=maximum)


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
        sse_fallback=server.is_guessed,
        network=Network.LOCAL,
        header_forward=HeaderForward(add_headers_from_secret=headers),
    )


def _hide(holder: str, key: str, value: str, secrets: dict[SecretKey, SecretBytes]) -> KeyRef:
    secrets[holder, key] = SecretBytes(value.encode())
    return KeyRef(name=holder, key=key)
