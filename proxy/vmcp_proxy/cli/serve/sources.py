"""Where `vmcp serve` gets its config from on somebody's machine: manifests, or an editor's server file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vmcp_api.base import Model
from vmcp_api.config import ProxyConfig
from vmcp_api.editor.servers import find_env_files, parse_mcp_servers
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import Mode, Rendered, render
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.optimizer import Optimizer
from vmcp_proxy.cli.checks.forward_proxies import find_unused_proxies
from vmcp_proxy.cli.checks.itself import itself
from vmcp_proxy.cli.files import read_text
from vmcp_proxy.cli.manifests import choose_server, find_files, load_manifests
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.reload import ConfigSource, Reading


@dataclass(frozen=True, slots=True)
class ManifestSource:
    """Resources in YAML files and folders; `name` picks a VirtualMCPServer, as `[namespace/]name`."""

    files: tuple[Path, ...]
    name: str | None = None

    def paths(self) -> Iterable[Path]:
        """See `ConfigSource`: the files of now, and the folders themselves for those that are to come."""
        return (*self.files, *find_files(self.files))

    def load(self) -> Reading | Problems:
        """See `ConfigSource`."""
        loaded, problems = load_manifests(self.files)
        if problems.errors:
            return problems
        chosen = choose_server(loaded.virtual_servers(), self.name)
        if isinstance(chosen, Problems):
            return chosen
        namespace, name = chosen
        rendered = render(loaded.namespaces[namespace], name, mode=Mode.LOCAL)
        if isinstance(rendered, Problems):
            return loaded.place(rendered, namespace)
        return _reading(rendered, problems.warnings + loaded.place(rendered.warnings, namespace))


@dataclass(frozen=True, slots=True)
class McpConfigSource:
    """The server file of an editor.

    `environ` fills in its variables; `call_timeout` bounds the calls of servers that it says nothing of, in seconds;
    `port` is where the endpoint listens, if it does.
    """

    file: Path
    environ: Mapping[str, str] = field(repr=False)
    call_timeout: float | None = None
    port: int | None = None

    def paths(self) -> Iterable[Path]:
        """See `ConfigSource`: the file, and those that its servers get their variables from."""
        # What comes out of a pipe comes once, and `load` needs it.
        text = read_text(self.file) if self.file.is_file() else ""
        named = find_env_files(text, self.environ) if isinstance(text, str) else ()
        return (self.file, *map(Path, named))

    def load(self) -> Reading | Problems:
        """See `ConfigSource`."""
        text = read_text(self.file)
        if isinstance(text, Problems):
            return text
        rendered = parse_mcp_servers(
            text,
            file=str(self.file),
            environment=self.environ,
            read_text=read_text,
            call_timeout=self.call_timeout,
            is_itself=itself(self.file, self.port),
        )
        return rendered if isinstance(rendered, Problems) else _reading(rendered, rendered.warnings)


@dataclass(frozen=True, slots=True)
class AdjustedSource:
    """Another source with what the command line changes of its config, and with warnings about the environment.

    `audit` turns the audit log on, `optimizer` tool search. `remote` says that other machines get in: their callers are
    nobody in particular, not the user of this machine.
    """

    inner: ConfigSource
    environ: Mapping[str, str] = field(repr=False)
    audit: bool
    optimizer: bool
    remote: bool

    def paths(self) -> Iterable[Path]:
        """See `ConfigSource`."""
        return self.inner.paths()

    def load(self) -> Reading | Problems:
        """See `ConfigSource`."""
        outcome = self.inner.load()
        if isinstance(outcome, Problems):
            return outcome
        config = outcome.loaded.config
        if self.audit:
            config = _with(config, audit=config.config.audit.model_copy(update={"enabled": True}))
        if self.optimizer:
            settings = config.config.optimizer or Optimizer()
            config = _with(config, optimizer=settings.model_copy(update={"enabled": True}))
        if self.remote and config.incoming_auth.type is IncomingAuthType.LOCAL:
            config = config.model_copy(update={"incoming_auth": IncomingAuth(type=IncomingAuthType.ANONYMOUS)})
        warnings = outcome.warnings + find_unused_proxies(config, self.environ)
        return replace(outcome, loaded=replace(outcome.loaded, config=config), warnings=warnings)


def _with(config: ProxyConfig, **behaviour: Model) -> ProxyConfig:
    return config.model_copy(update={"config": config.config.model_copy(update=behaviour)})


def _reading(rendered: Rendered, warnings: Problems) -> Reading:
    return Reading(Loaded(rendered.config, rendered.secrets), warnings)
