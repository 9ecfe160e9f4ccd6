"""An API server of a few kinds on a real socket, for the library that watches: lists, watches, discovery, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from vmcp_operator.plan.kinds import CONFIG_MAP, LIFECYCLE, OWN, OWNED, Kind

KINDS = (*OWN, *OWNED, *LIFECYCLE, CONFIG_MAP)
VERBS = ["get", "list", "watch", "create", "patch", "delete"]
CORE = [
    {"name": "namespaces", "kind": "Namespace", "singularName": "", "namespaced": False, "verbs": VERBS},
    {"name": "events", "kind": "Event", "singularName": "", "namespaced": True, "verbs": VERBS},
]


@dataclass
class ApiServer:
    """`refuse` maps a path to a status, `objects` to what is listed, `held` to what its watch waits for.

    `raw` has the path of each request as it was sent, `answers` maps such a path to what is answered.

    `asked` has each list and watch: path, whether it was a watch, what was accepted.
    """

    kubeconfig: Path
    url: str = ""
    refuse: dict[str, int] = field(default_factory=dict)
    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, bool, str]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=lambda: {"/api": {"versions": ["v1"]}})
    hidden: set[Kind] = field(default_factory=set)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    streams: dict[str, list[web.StreamResponse]] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    close: Callable[[], Awaitable[None]] | None = None

    async def send(self, path: str, manifest: dict[str, Any]) -> None:
        """Tells every watch of a path of an object that was added."""
        line = json.dumps({"type": "ADDED", "object": manifest}).encode() + b"\n"
        for stream in self.streams.get(path, []):
            await stream.write(line)

    async def expire(self, path: str) -> None:
        """Tells every watch of a path that what it saw last is too old, as after a restart or a compaction."""
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (7)"}
        for stream in self.streams.pop(path, []):
            await stream.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")

    def end_watches(self) -> None:
        """Ends the watches that are open, as an API server does after a while."""
        self.streams.clear()
        self.ended.set()
        self.ended = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Every request."""
        path = request.path
        self.raw.append(request.raw_path)
        if request.raw_path in self.answers:
            return web.json_response(self.answers[request.raw_path])
        parts = path.strip("/").split("/")
        if path == "/apis":
            return web.json_response({"groups": self._groups()})
        if parts in (["api", "v1"], ["apis", *parts[1:3]]) and len(parts) in (2, 3):
            return self._resources("/".join(parts[1:]))
        is_watch = request.query.get("watch") == "true"
        self.asked.append((path, is_watch, request.headers.get("Accept", "")))
        if path in self.refuse:
            body = {"kind": "Status", "code": self.refuse[path], "message": f"{path} is forbidden", "status": "Failure"}
            return web.json_response(body, status=self.refuse[path])
        if is_watch:
            return await self._watch(path, request)
        items = self.objects.get(path)
        if items is None and "PartialObjectMetadataList" not in request.headers["Accept"]:
            # Of an empty list of metadata an API server says null.
            items = []
        return web.json_response({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})

    async def _watch(self, path: str, request: web.Request) -> web.StreamResponse:
        if path in self.held:
            await self.held[path].wait()
        response = web.StreamResponse()
        await response.prepare(request)
        self.streams.setdefault(path, []).append(response)
        await self.ended.wait()
        return response

    def _groups(self) -> list[dict[str, Any]]:
        groups = {kind.group: kind.version for kind in KINDS if kind.group}
        return [
            {
                "name": name,
                "versions": [{"groupVersion": f"{name}/{version}", "version": version}],
                "preferredVersion": {"groupVersion": f"{name}/{version}", "version": version},
            }
            for name, version in groups.items()
        ]

    def _resources(self, version: str) -> web.Response:
        if version.startswith("vmcp.dev/") and self.hidden.issuperset(OWN):
            return web.json_response({"kind": "Status", "code": 404, "message": "404 page not found"}, status=404)
        found = [
            {"name": kind.plural, "kind": kind.name, "namespaced": True, "verbs": VERBS, "singularName": ""}
            for kind in KINDS
            if kind.api_version == version and kind not in self.hidden
        ]
        return web.json_response({"groupVersion": version, "resources": [*found, *(CORE if version == "v1" else [])]})


@asynccontextmanager
async def serving_api(folder: Path) -> AsyncIterator[ApiServer]:
    """The server, for as long as the context lasts, and a kubeconfig for it in the folder."""
    api = ApiServer(folder / "kubeconfig")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        api.kubeconfig.write_text(json.dumps(_kubeconfig(api.url)))
        api.close = runner.cleanup
        yield api
    finally:
        await runner.cleanup()


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": url}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
    }
