"""Builds the members of the group from a loaded config; what has not changed is kept as it is."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vmcp_api.config import Backend as BackendConfig
from vmcp_api.config import Transport, Withheld
from vmcp_api.headers import find_value_flaw
from vmcp_api.render.reasons import Reason
from vmcp_proxy.backends.attached.backend import AttachedBackend, AttachSettings
from vmcp_proxy.backends.attached.stream import Pod
from vmcp_proxy.backends.budget import ReadBudget
from vmcp_proxy.backends.dual import DualBackend
from vmcp_proxy.backends.eras import Eras
from vmcp_proxy.backends.fallback import FallbackBackend
from vmcp_proxy.backends.interface import Backend
from vmcp_proxy.backends.modern.backend import ModernHttpBackend
from vmcp_proxy.backends.over_http import HttpBackendSettings
from vmcp_proxy.backends.programs.pool import ProgramPool
from vmcp_proxy.backends.sse.backend import SseBackend
from vmcp_proxy.backends.stdio.backend import StdioBackend, StdioSettings
from vmcp_proxy.backends.stdio.modern import ModernStdioBackend
from vmcp_proxy.backends.stdio.program import StdioCommand
from vmcp_proxy.backends.streamable import HttpBackend
from vmcp_proxy.core.members.health import HealthTracker
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.headerforward import StaticHeaders
from vmcp_proxy.http_client import HttpClient, InvalidUrl, Peer, TrustSetting, Url
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.parts.outgoing import Strategies
from vmcp_proxy.run.secret_values import (
    InvalidHeaderError,
    InvalidSecretError,
    MissingSecretError,
    header_value,
    text_of,
)

_PRIVATE_KEY = "tls.key"


@dataclass(frozen=True, slots=True)
class Assembled:
    """Members to serve, and those that cannot be served with what is there."""

    members: dict[str, Member]
    withheld: tuple[Withheld, ...]


@dataclass(frozen=True, slots=True)
class _Program:
    command: StdioCommand
    settings: StdioSettings


@dataclass(frozen=True, slots=True)
class _Server:
    peer: Peer
    settings: HttpBackendSettings


class Assembler:
    """Makes backends over one HTTP client; programs run in `tasks`, or are the one process in the `pod`."""

    def __init__(
        self, client: HttpClient, tasks: asyncio.TaskGroup, software_version: str, pod: Pod | None = None
    ) -> None:
        self._client = client
        self._pool = ProgramPool()
        self.reads: Final = ReadBudget()
        self._tasks = tasks
        self._version = software_version
        self._pod = pod
        self._attached: AttachedBackend | None = None
        self._strategies = Strategies(client, tasks)

    def assemble(self, loaded: Loaded, previous: Mapping[str, Member]) -> Assembled:
        """The members of a config; a member whose config, headers and secrets are the same is `previous`' own."""
        members: dict[str, Member] = {}
        withheld = list(loaded.config.withheld)
        for config in loaded.config.backends:
            try:
                members[config.name] = self._member(config, loaded, previous.get(config.name))
            except MissingSecretError as error:
                withheld.append(_withhold(config, "SecretMissing", str(error)))
            except InvalidSecretError as error:
                withheld.append(_withhold(config, Reason.SECRET_INVALID, str(error)))
            except InvalidHeaderError as error:
                withheld.append(_withhold(config, "HeaderInvalid", str(error)))
            except InvalidUrl as error:
                withheld.append(_withhold(config, "InvalidUrl", str(error)))
        return Assembled(members, tuple(sorted(withheld, key=lambda each: each.name)))

    @property
    def lack(self) -> str:
        """Why the process in the pod cannot be called now; empty where it can, or there is no pod."""
        if self._pod is None:
            return ""
        return self._attached.lack if self._attached else "its process has not been attached to yet"

    async def aclose(self) -> None:
        """Releases what the backends share, once they are closed."""
        await self._pool.aclose()

    def _member(self, config: BackendConfig, loaded: Loaded, previous: Member | None) -> Member:
        static = _static_headers(config, loaded)
        threshold = loaded.config.config.operational.failure_handling.unhealthy_threshold
        recipe = self._recipe(config, loaded)
        strategy = self._strategies.strategy_for(config, loaded, previous.strategy if previous else None)
        made_from = (config, static, recipe, strategy)
        if previous is not None and (previous.config, previous.static, previous.recipe, previous.strategy) == made_from:
            return previous
        backend = self._backend(config, recipe)
        return Member(config, backend, static, HealthTracker(threshold), recipe, strategy=strategy)

    def _recipe(self, config: BackendConfig, loaded: Loaded) -> _Program | _Server:
        operational = loaded.config.config.operational
        if config.transport is Transport.STDIO:
            secret = {name: text_of(loaded, ref.name, ref.key) for name, ref in config.env_from_secret.items()}
            command = StdioCommand(config.command, tuple((config.env | secret).items()), config.cwd)
            patience = operational.failure_handling.health_check_timeout
            limit, environ = operational.limits.response_body, dict(os.environ)
            return _Program(command, StdioSettings(limit, patience, self._version, environ, self.reads))
        certificate = config.tls.client_certificate_ref
        trust = TrustSetting(
            ca_bundle=config.tls.ca_bundle,
            client_certificate=text_of(loaded, certificate.name, certificate.key) if certificate else None,
            client_key=text_of(loaded, certificate.name, _PRIVATE_KEY) if certificate else None,
        )
        peer = Peer(Url.parse(config.url or ""), config.network, trust)
        limit, patience = operational.limits.response_body, operational.timeouts.connect
        return _Server(peer, HttpBackendSettings(limit, patience, self._version, self.reads))

    def _backend(self, config: BackendConfig, recipe: _Program | _Server) -> Backend:
        if isinstance(recipe, _Program) and self._pod is not None:
            settings = recipe.settings
            bounds = AttachSettings(settings.max_line, settings.patience, settings.software_version, settings.budget)
            self._attached = AttachedBackend(config.name, self._pod, bounds, self._tasks)
            return self._attached
        if isinstance(recipe, _Program):
            return self._program(config, recipe)
        of_http = (config.name, recipe.peer, self._client, recipe.settings, self._tasks)
        if config.transport is Transport.SSE:
            return SseBackend(*of_http)
        http, eras = HttpBackend(*of_http), Eras()
        legacy = FallbackBackend(http, SseBackend(*of_http)) if config.sse_fallback else http
        return DualBackend(legacy, ModernHttpBackend(http, eras), eras)

    def _program(self, config: BackendConfig, recipe: _Program) -> Backend:
        settings, eras = recipe.settings, Eras()
        programs = StdioBackend(config.name, recipe.command, settings, self._pool, self._tasks)
        modern = ModernStdioBackend(programs, eras, settings.patience, settings.software_version, self._tasks)
        return DualBackend(programs, modern, eras, is_program=True)


def _static_headers(config: BackendConfig, loaded: Loaded) -> StaticHeaders:
    return (*_plain_headers(config), *_secret_headers(config, loaded))


def _plain_headers(config: BackendConfig) -> Iterator[tuple[str, bytes]]:
    for name, text in config.header_forward.add_plaintext_headers.items():
        value = text.encode(errors="surrogatepass")
        if flaw := find_value_flaw(value):
            raise InvalidHeaderError(name, flaw)
        yield name, value


def _secret_headers(config: BackendConfig, loaded: Loaded) -> Iterator[tuple[str, bytes]]:
    for header in config.header_forward.add_headers_from_secret:
        yield header.header_name, header_value(loaded, header.value_secret_ref).reveal()


def _withhold(config: BackendConfig, reason: str, message: str) -> Withheld:
    return Withheld(name=config.name, kind=config.kind, reason=reason, message=message)
