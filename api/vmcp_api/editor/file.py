"""One entry of an editor's server file, checked and with its variables filled in.

Every value may be a credential: problems name places, never values. What is not understood is a warning, as long as
the server can be reached without it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from vmcp_api.base import URL_PATTERN, Json
from vmcp_api.config import Transport
from vmcp_api.editor import keys
from vmcp_api.editor.env_file import parse_env_file
from vmcp_api.editor.expand import expand
from vmcp_api.editor.timeouts import read_timeout
from vmcp_api.editor.variables import remedy_for
from vmcp_api.headers import check_static_header, is_restricted
from vmcp_api.manifests.problems import Loc, Problem, Problems, Severity
from vmcp_api.text.suggest import fold, suggest
from vmcp_api.text.texts import find_program_flaw

ReadText: TypeAlias = Callable[[str], str | Problems]
"""The text of a file by its path, or why there is none."""

_URL: Final = re.compile(URL_PATTERN)
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class EditorServer:
    """One server of the file; ``env`` and ``headers`` hold values that may be secrets.

    ``timeout`` is the bound of one call in seconds, where the file says one. ``is_guessed``: no type of transport is
    written that could be read.
    """

    transport: Transport
    command: tuple[str, ...] = field(default=(), repr=False)
    cwd: str | None = None
    url: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float | None = None
    is_guessed: bool = False


class EntryReader:
    """Reads one entry and gathers its problems."""

    def __init__(
        self, entry: Mapping[str, Json], loc: Loc, environment: Mapping[str, str], read_text: ReadText
    ) -> None:
        self._entry = _unpack(entry)
        self._loc = loc
        self._environment = environment
        self._read_text = read_text
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
        timeout = self._timeout()
        if transport is Transport.STDIO:
            server = EditorServer(
                transport=transport,
                command=(*self._command(), *self._texts("args")),
                cwd=self._text("cwd") or None,
                env=self._environment_of_server(),
                timeout=timeout,
            )
        else:
            server = EditorServer(
                transport=transport,
                url=self._url(),
                headers=self._headers(),
                timeout=timeout,
                is_guessed=keys.transport_of(self._written("type")[1]) is not transport,
            )
        return None if self.problems.errors else server

    def _key(self, name: str) -> str:
        """The spelling in which a key is written, the first one where it is not."""
        spellings = keys.SPELLINGS[name]
        return next((key for key in spellings if keys.is_set(self._entry.get(key))), spellings[0])

    def _written(self, name: str) -> tuple[str, Json]:
        """A key as it is written, and its value; ``None`` where it says nothing."""
        key = self._key(name)
        value = self._entry.get(key)
        return key, value if keys.is_set(value) else None

    def _check_keys(self) -> None:
        for key, value in self._entry.items():
            if key in keys.KEYS:
                name = next(name for name, spellings in keys.SPELLINGS.items() if key in spellings)
                if keys.is_set(value) and self._key(name) != key and self._entry[self._key(name)] != value:
                    self._warn((key,), f"is not read beside {self._key(name)}, which means the same", "keep one")
            elif key in keys.FILTERS:
                if not keys.filters_nothing(key, value):
                    message = "does not filter here: every tool of the server is served"
                    self._warn((key,), message, "choose tools in a manifest: spec.config.aggregation.tools")
            elif key in keys.SIGN_IN:
                remedy = 'write a token into headers: "Authorization": "Bearer ${NAME}"'
                self._warn((key,), "is not read here: nobody signs in for the server", remedy)
            elif key in keys.EDITOR_KEYS:
                self._warn((key,), "is not read here", "nothing to do; only editors use it")
            elif not keys.is_comment(key):
                self._warn((key,), "is an unknown key, which is not read here", suggest(key, keys.KEYS, noun="keys"))

    def _transport(self) -> Transport | None:
        place, written = self._written("type")
        named = keys.transport_of(written)
        (command_key, command), (url_key, url) = self._written("command"), self._written("url")
        if isinstance(written, str) and fold(written) in keys.WEBSOCKET:
            self._report((place,), "names WebSockets, which are not spoken here", "use its URL for streamable HTTP")
            return None
        if (command is None) == (url is None):
            message = "has neither command nor url" if command is None else "has both command and url"
            if command is None or named is None:
                verb = "write" if command is None else "keep"
                self._report((), message, f"{verb} command for a program, url for a server that runs already")
                return None
            left = url_key if named is Transport.STDIO else command_key
            self._warn((left,), f"is not read, as {place} says which of command and url counts", "remove it")
            return named
        usual = Transport.STREAMABLE_HTTP if command is None else Transport.STDIO
        if written is None:
            return usual
        if named is None or (named is Transport.STDIO) != (usual is Transport.STDIO):
            said = "is no transport that is known here" if named is None else "does not fit the rest of the entry"
            remedy = "write stdio, or remove it" if command is not None else "write http or sse, or remove it"
            self._warn((place,), f"{said}: taken for {usual.value}", remedy)
            return usual
        return named

    def _command(self) -> tuple[str, ...]:
        """The program, with its arguments where both stand in one list."""
        is_list = isinstance(self._written("command")[1], list)
        return self._texts("command") if is_list else (self._text("command"),)

    def _timeout(self) -> float | None:
        key, written = self._written("timeout")
        if written is None:
            return None
        seconds = read_timeout(key, written)
        if seconds is None:
            remedy = "write a number: up to 3600 counts seconds, above milliseconds"
            self._warn((key,), "is no bound of a call, which keeps the usual one", remedy)
        return seconds

    def _url(self) -> str:
        url = self._text("url")
        if url and not _URL.fullmatch(url):
            remedy = "write https://host/path without user name and fragment, with a port of at most 65535 if any"
            self._report((self._key("url"),), "is no URL", remedy)
        return url

    def _headers(self) -> Mapping[str, str]:
        headers = {**self._mapping("headers"), **dict(self._headers_of_variables())}
        place = self._key("headers")
        sent: dict[str, str] = {}
        for name, value in headers.items():
            problem = check_static_header(name, value)
            message, _, remedy = (problem or "").rpartition("; ")
            if problem and is_restricted(name):
                self._warn((place, name), f"{message} and is not sent", remedy)
            elif problem:
                self._report((place, name), message, remedy)
            else:
                sent[name] = value
        if len({name.lower() for name in sent}) != len(sent):
            self._report((place,), "names a header twice (case does not count)", "remove one of them")
        return sent

    def _headers_of_variables(self) -> Iterator[tuple[str, str]]:
        """Headers whose values stand in the environment, as Codex has them."""
        key, written = self._written("bearerTokenVar")
        if isinstance(written, str):
            yield "Authorization", f"Bearer {self._variable(written, (key,))}"
        key, written = self._written("envHeaders")
        for name, variable in written.items() if isinstance(written, dict) else ():
            yield name, self._variable(str(variable), (key, name))

    def _variable(self, name: str, loc: Loc) -> str:
        if name not in self._environment:
            self._report(loc, "names a variable that is not set", "set it in the environment")
        return self._environment.get(name, "")

    def _environment_of_server(self) -> Mapping[str, str]:
        variables = self._mapping("env")
        for name in variables:
            if not _VARIABLE_NAME.fullmatch(name):
                self._report((self._key("env"), name), "is no variable", "use letters, digits and '_' in its name")
        handed = {name: self._environment[name] for name in self._names("envVars") if name in self._environment}
        return {**handed, **self._variables_of_file(), **variables}

    def _names(self, key: str) -> tuple[str, ...]:
        """Names of variables that are handed on: a text each, or a mapping with one."""
        written = self._written(key)[1]
        entries = written if isinstance(written, list) else []
        return tuple(str(entry.get("name") if isinstance(entry, dict) else entry) for entry in entries)

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

    def _mapping(self, name: str) -> dict[str, str]:
        key, written = self._written(name)
        if written is None:
            return {}
        if not isinstance(written, dict):
            self._report((key,), "must be a mapping", "write names with text values")
            return {}
        return {name: self._expanded(value, (key, name)) for name, value in written.items() if value is not None}

    def _texts(self, name: str) -> tuple[str, ...]:
        key, written = self._written(name)
        if written is None:
            return ()
        if not isinstance(written, list):
            self._report((key,), "must be a list", 'write it as ["one", "two"]')
            return ()
        return tuple(self._expanded(value, (key, index)) for index, value in enumerate(written))

    def _text(self, name: str) -> str:
        key, written = self._written(name)
        if written is None:
            return ""
        text = self._expanded(written, (key,))
        if not text and not self.problems.errors:
            self._report((key,), "is empty", "write a value or remove the key")
        return text

    def _expanded(self, value: Json, loc: Loc) -> str:
        plain = _as_text(value)
        if plain is None:
            self._report(loc, "must be text", "put the value in quotes")
            return ""
        text, missing = expand(plain, self._environment)
        if flaw := find_program_flaw(text):
            message, _, remedy = flaw.partition("; ")
            self._report(loc, message, remedy)
        for name in missing:
            self._report(loc, f"needs the variable {name}, which is not set", remedy_for(name))
        return text

    def _report(self, loc: Loc, message: str, remedy: str) -> None:
        self._found.append(Problem(message, remedy, (*self._loc, *loc)))

    def _warn(self, loc: Loc, message: str, remedy: str) -> None:
        self._found.append(Problem(message, remedy, (*self._loc, *loc), severity=Severity.WARNING))


def _unpack(entry: Mapping[str, Json]) -> Mapping[str, Json]:
    """The entry with a command that is an object laid out flat, as Zed once wrote it."""
    command = entry.get("command")
    if not isinstance(command, dict):
        return entry
    inner = {("command" if key == "path" else key): value for key, value in command.items()}
    return {**{key: value for key, value in entry.items() if key != "command"}, **inner}


def _as_text(value: Json) -> str | None:
    """What a JavaScript program makes of a value where it needs text; ``None`` of what it cannot."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else str(value)
        case _:
            return None
