"""A whole proxy in front of scripted backends, as a test sees it."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.inside import Inside
from tests.support.plain_http import http_client
from tests.support.raw_client import WAIT_SECONDS, RawClient
from tests.support.scripted_backend import ScriptedBackend
from tests.support.serving import admin_of, http_backend, load, running, url_of
from vmcp_proxy.core.policy.questions import Admitter
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.proxy import Proxy
from vmcp_proxy.run.settings import Settings

Backends = Mapping[str, ScriptedBackend]


@dataclass
class Scene:
    """One running proxy; `config` is what it was started with."""

    proxy: Proxy
    config: dict[str, Any]

    @property
    def url(self) -> str:
        return url_of(self.proxy)

    @property
    def inside(self) -> Inside:
        """What the proxy holds, for what cannot be seen from outside."""
        return Inside(self.proxy)

    def client(self, **headers: str) -> RawClient:
        return RawClient(self.url, {name.replace("_", "-"): value for name, value in headers.items()})

    @contextlib.asynccontextmanager
    async def session(self, **headers: str) -> AsyncIterator[RawClient]:
        """A client that is through the handshake."""
        async with self.client(**headers) as client:
            await client.open()
            yield client

    def apply(self, backends: Backends | None = None, *, admitter: Admitter | None = None, **changes: Any) -> None:
        """Reloads with other backends, another policy or other settings."""
        self.config = {**self.config, **changes}
        if backends is not None:
            self.config["backends"] = configs_of(backends)
        if admitter is not None:
            self.proxy.admitter = admitter
        self.proxy.apply(load(self.config))

    async def admin(self, path: str) -> str:
        async with http_client(timeout=10) as http:
            return (await http.get(admin_of(self.proxy) + path)).text

    async def explain(self, name: str, **question: Any) -> dict[str, Any]:
        """What the admin port says of a name; keywords are members of the question."""
        async with http_client(timeout=WAIT_SECONDS) as http:
            answer = await http.post(admin_of(self.proxy) + "/explain", json={"name": name, **question})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def status(self) -> dict[str, Any]:
        return json.loads(await self.admin("/status"))

    async def metrics(self) -> dict[str, float]:
        lines = (await self.admin("/metrics")).splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


def configs_of(backends: Backends, **more: Mapping[str, object]) -> list[dict[str, object]]:
    """The configs of running backends, with further settings by name."""
    return [http_backend(name, backend.port, **more.get(name, {})) for name, backend in backends.items()]


@contextlib.asynccontextmanager
async def scene(
    backends: Backends,
    *,
    more: Mapping[str, Mapping[str, object]] | None = None,
    extra: tuple[dict[str, object], ...] = (),
    secrets: Mapping[tuple[str, str], str] | None = None,
    settings: Settings | None = None,
    admitter: Admitter | None = None,
    **config: Any,
) -> AsyncIterator[Scene]:
    """Runs backends and one proxy; `more` are settings by backend, `extra` whole configs of further ones."""
    async with contextlib.AsyncExitStack() as stack:
        for backend in backends.values():
            await stack.enter_async_context(backend.running())
        document = {**config, "backends": [*configs_of(backends, **(more or {})), *extra]}
        loaded: Loaded = load(document, secrets)
        proxy = await stack.enter_async_context(running(loaded, settings=settings, admitter=admitter))
        yield Scene(proxy, document)


def operational(**settings: Any) -> dict[str, Any]:
    """The `config` of a proxy with these operational settings."""
    return {"operational": settings}
