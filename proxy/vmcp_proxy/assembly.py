"""Builds the members of the group from a loaded config; what has not changed is kept as it is."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass

from vmcp_api.config import Backend as BackendConfig
from vmcp_api.config import Transport, Withheld
from vmcp_proxy.backends.client import Backend
from vmcp_proxy.backends.http import HttpClient, InvalidUrl, Peer, TrustSetting, Url
from vmcp_proxy.backends.sse import SseBackend
from vmcp_proxy.backends.stdio import StdioBackend, StdioSettings
from vmcp_proxy.backends.stdio_program import StdioCommand
from vmcp_proxy.backends.streamable import HttpBackend, HttpBackendSettings
from vmcp_proxy.core.health import HealthTracker
from vmcp_proxy.core.members import Member, StaticHeaders
from vmcp_proxy.loading import Loaded

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


class MissingSecretError(Exception):
    """A backend needs a key of a Secret that has no value."""

    def __init__(self, secret: str, key: str) -> None:
        super().__init__(f"Secret {secret!r} has no key {key!r}; create it and the backend is served")


class UndecodableSecretError(Exception):
    """A key of a Secret should be text and is not."""

    def __init__(self, secret: str, key: str) -> None:
        super().__init__(f"key {key!r} of Secret {secret!r} is not text in UTF-8; write it again")


class Assembler:
    """Makes backends over one HTTP client; programs run in `tasks`."""

    def __init__(self, client: HttpClient, tasks: asyncio.TaskGroup, software_version: str) -> None:
        self._client = client
        self._tasks = tasks
        self._version = software_version

    def assemble(self, loaded: Loaded, previous: Mapping[str, Member]) -> Assembled:
        """The members of a config; a member whose config, headers and secrets are the same is `previous`' own."""
        members: dict[str, Member] = {}
        withheld = list(loaded.config.withheld)
        for config in loaded.config.backends:
            try:
                members[config.name] = self._member(config, loaded, previous.get(config.name))
            except MissingSecretError as error:
                withheld.append(_withhold(config, "SecretMissing", str(error)))
            except UndecodableSecretError as error:
                withheld.append(_withhold(config, "SecretInvalid", str(error)))
            except InvalidUrl as error:
                withheld.append(_withhold(config, "InvalidUrl", str(error)))
        return Assembled(members, tuple(sorted(withheld, key=lambda each: each.name)))

    def _member(self, config: BackendConfig, loaded: Loaded, previous: Member | None) -> Member:
        static = _static_headers(config, loaded)
        threshold = loaded.config.config.operational.failure_handling.unhealthy_threshold
        recipe = self._recipe(config, loaded)
        if previous is not None and (previous.config, previous.static, previous.recipe) == (config, static, recipe):
            return previous
        return Member(config, self._backend(config, recipe), static, HealthTracker(threshold), recipe)

    def _recipe(self, config: BackendConfig, loaded: Loaded) -> _Program | _Server:
        operational = loaded.config.config.operational
        if config.transport is Transport.STDIO:
            secret = {name: _text(loaded, ref.name, ref.key) for name, ref in config.env_from_secret.items()}
            command = StdioCommand(config.command, tuple((config.env | secret).items()), config.cwd)
            patience = operational.failure_handling.health_check_timeout
            settings = StdioSettings(operational.limits.response_body, patience, self._version, dict(os.environ))
            return _Program(command, settings)
        certificate = config.tls.client_certificate_ref
        trust = TrustSetting(
            ca_bundle=config.tls.ca_bundle,
            client_certificate=_text(loaded, certificate.name, certificate.key) if certificate else None,
            client_key=_text(loaded, certificate.name, _PRIVATE_KEY) if certificate else None,
        )
        peer = Peer(Url.parse(config.url or ""), config.network, trust)
        return _Server(
            peer, HttpBackendSettings(operational.limits.response_body, operational.timeouts.connect, self._version)
        )

    def _backend(self, config: BackendConfig, recipe: _Program | _Server) -> Backend:
        if isinstance(recipe, _Program):
            return StdioBackend(config.name, recipe.command, recipe.settings, self._tasks)
        if config.transport is Transport.SSE:
            return SseBackend(config.name, recipe.peer, self._client, recipe.settings, self._tasks)
        return HttpBackend(config.name, recipe.peer, self._client, recipe.settings, self._tasks)


def _required(loaded: Loaded, name: str, key: str) -> bytes:
    secret = loaded.secrets.get((name, key))
    if secret is None:
        raise MissingSecretError(name, key)
    return secret.reveal().rstrip(b"\r\n")


def _text(loaded: Loaded, name: str, key: str) -> str:
    try:
        return _required(loaded, name, key).decode()
    except UnicodeDecodeError:
        # Not even as a cause: the error of the codec holds the value.
        raise UndecodableSecretError(name, key) from None


def _static_headers(config: BackendConfig, loaded: Loaded) -> StaticHeaders:
    forward = config.header_forward
    plain = [(name, value.encode("latin-1", "replace")) for name, value in forward.add_plaintext_headers.items()]
    secret = [
        (header.header_name, _required(loaded, header.value_secret_ref.name, header.value_secret_ref.key))
        for header in forward.add_headers_from_secret
    ]
    return (*plain, *secret)


def _withhold(config: BackendConfig, reason: str, message: str) -> Withheld:
    return Withheld(name=config.name, kind=config.kind, reason=reason, message=message)
