"""One entry of an editor's server file, checked and with its variables filled in.

Every value may be a credential: problems name places, never values.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from vmcp_api.base import Json
from vmcp_api.config import Transport
from vmcp_api.envfile import parse_env_file
from vmcp_api.expand import expand
from vmcp_api.headers import check_static_header
from vmcp_api.problems import Loc, Problem, Problems, Severity
from vmcp_api.suggest import suggest
from vmcp_api.texts import find_program_flaw

ReadText: TypeAlias = Callable[[str], str | Problems]
"""The text of a file by its path, or why there is none."""

KEYS: Final = (
    "command",
    "args",
    "env",
    "envFile",
    "cwd",
    "url",
    "serverUrl",
    "headers",
    "type",
    "transport",
    "disabled",
)
"""What is read of an entry; ``serverUrl`` is what Windsurf calls ``url``."""

EDITOR_KEYS: Final = frozenset(
    {"autoApprove", "alwaysAllow", "description", "dev", "gallery", "icon", "timeout", "trust", "version"}
)
"""Keys that only editors use."""

_TRANSPORTS: Final = {
    "stdio": Transport.STDIO,
    "http": Transport.STREAMABLE_HTTP,
    "streamable-http": Transport.STREAMABLE_HTTP,
    "streamableHttp": Transport.STREAMABLE_HTTP,
    "sse": Transport.SSE,
}
_EDITOR_VARIABLES: Final = frozenset(
    {
        "/",
        "cwd",
        "execPath",
        "extensionPath",
        "file",
        "fileBasename",
        "fileBasenameNoExtension",
        "fileDirname",
        "fileExtname",
        "fileWorkspaceFolder",
        "pathSeparator",
        "relativeFile",
        "userHome",
        "workspaceFolder",
        "workspaceFolderBasename",
        "workspaceRoot",
    }
)
"""What only an editor can know; each may name a folder of the workspace after a colon."""
_URL: Final = re.compile(r"https?://[^\s/?#@]+([/?][^\s#]*)?")
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class EditorServer:
    """One server of the file; ``env`` and ``headers`` hold values that may be secrets."""

    transport: Transport
    command: tuple[str, ...] = field(default=(), repr=False)
    cwd: str | None = None
    url: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class EntryReader:
    """Reads one entry and gathers its problems."""

    def __init__(
        self, entry: Mapping[str, Json], loc: Loc, environment: Mapping[str, str], read_text: ReadText
    ) -> None:
        self._entry = entry
        self._loc = loc
        self._environment = environment
        self._read_text = read_text
        self._url_key = "serverUrl" if "serverUrl" in entry and "url" not in entry else "url"
        self._found: list[Problem] = []

    @property
    def problems(self) -> Problems:
        """What is wrong with what was read so far."""
        return Problems(tuple(self._found))

    def read(self) -> EditorServer | None:
        """The server; ``None`` when an error keeps it from being served."""
        self._check_keys()
        transport = self._transport()
        if transport is None:
            return None
        if transport is Transport.STDIO:
            server = EditorServer(
                transport=transport,
                command=(self._text("command"), *self._texts("args")),
                cwd=self._text("cwd") or None,
                env=self._environment_of_server(),
            )
        else:
            server = EditorServer(transport=transport, url=self._url(), headers=self._headers())
        return None if self.problems.errors else server

    def _check_keys(self) -> None:
        for key in self._entry:
            if key in EDITOR_KEYS:
                self._warn((key,), "is not read here", "nothing to do; only editors use it")
            elif key not in KEYS:
                self._report((key,), "is an unknown key", suggest(key, KEYS, noun="keys"))
        if "url" in self._entry and "serverUrl" in self._entry:
            self._report(("serverUrl",), "stands beside url, which means the same", "keep one of the two")

    def _transport(self) -> Transport | None:
        named = "type" if "type" in self._entry else "transport"
        written = self._entry.get(named)
        has_command, has_url = "command" in self._entry, self._url_key in self._entry
        if has_command == has_url:
            message = "has both command and url" if has_command else "has neither command nor url"
            self._report((), message, "keep command for a program, url for a server that runs already")
            return None
        if written is None:
            return Transport.STDIO if has_command else Transport.STREAMABLE_HTTP
        transport = _TRANSPORTS.get(written) if isinstance(written, str) else None
        if transport is None or (transport is Transport.STDIO) != has_command:
            remedy = "write stdio" if has_command else "write http or sse"
            self._report((named,), "does not fit", f"{remedy}, or remove it")
            return None
        return transport

    def _url(self) -> str:
        url = self._text(self._url_key)
        if url and not _URL.fullmatch(url):
            self._report((self._url_key,), "is no URL", "write https://host/path without user name and fragment")
        return url

    def _headers(self) -> Mapping[str, str]:
        headers = self._mapping("headers")
        for name, value in headers.items():
            if problem := check_static_header(name, value):
                message, _, remedy = problem.rpartition("; ")
                self._report(("headers", name), message, remedy)
        if len({name.lower() for name in headers}) != len(headers):
            self._report(("headers",), "names a header twice (case does not count)", "remove one of them")
        return headers

    def _environment_of_server(self) -> Mapping[str, str]:
        variables = self._mapping("env")
        for name in variables:
            if not _VARIABLE_NAME.fullmatch(name):
                self._report(("env", name), "is no variable", "use letters, digits and '_' in its name")
        return {**self._variables_of_file(), **variables}

    def _variables_of_file(self) -> Mapping[str, str]:
        """What ``envFile`` says; what ``env`` says as well wins over it."""
        before = len(self._found)
        path = self._text("envFile")
        if not path or len(self._found) > before:
            return {}
        text = self._read_text(path)
        variables = text if isinstance(text, Problems) else parse_env_file(text)
        if not isinstance(variables, Problems):
            return variables
        for problem in variables:
            # Without the file's name: it may be as secret as any value.
            self._report(("envFile",), f"names a file that {problem.message}", problem.remedy)
        return {}

    def _mapping(self, key: str) -> dict[str, str]:
        written = self._entry.get(key)
        if written is None:
            return {}
        if not isinstance(written, dict):
            self._report((key,), "must be a mapping", "write names with text values")
            return {}
        return {name: self._expanded(value, (key, name)) for name, value in written.items()}

    def _texts(self, key: str) -> tuple[str, ...]:
        written = self._entry.get(key)
        if written is None:
            return ()
        if not isinstance(written, list):
            self._report((key,), "must be a list", 'write it as ["one", "two"]')
            return ()
        return tuple(self._expanded(value, (key, index)) for index, value in enumerate(written))

    def _text(self, key: str) -> str:
        if self._entry.get(key) is None:
            return ""
        text = self._expanded(self._entry[key], (key,))
        if not text and not self.problems.errors:
            self._report((key,), "is empty", "write a value or remove the key")
        return text

    def _expanded(self, value: Json, loc: Loc) -> str:
        if not isinstance(value, str):
            self._report(loc, "must be text", "put the value in quotes")
            return ""
        text, missing = expand(value, self._environment)
        if flaw := find_program_flaw(text):
            message, _, remedy = flaw.partition("; ")
            self._report(loc, message, remedy)
        for name in missing:
            self._report(loc, f"needs the variable {name}, which is not set", _remedy(name))
        return text

    def _report(self, loc: Loc, message: str, remedy: str) -> None:
        self._found.append(Problem(message, remedy, (*self._loc, *loc)))

    def _warn(self, loc: Loc, message: str, remedy: str) -> None:
        self._found.append(Problem(message, remedy, (*self._loc, *loc), severity=Severity.WARNING))


def _remedy(name: str) -> str:
    if name.partition(":")[0] in _EDITOR_VARIABLES:
        aside = "" if ":" in name else f", or set {name} in the environment"
        return f"only editors fill it in; write what it stands for{aside}"
    if ":" in name:
        return "only editors fill it in; write ${env:NAME} and set NAME in the environment"
    return "set it in the environment, or write ${" + name + ":-default}"
