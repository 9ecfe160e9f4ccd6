"""The admin port: health, readiness, status, metrics, explanations."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

import msgspec
from fastapi import FastAPI, Header, Request, Response

from vmcp_api.pod_status import PodStatus, encode
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.serve.apps.explain import Explainer, answer_question, list_names
from vmcp_proxy.serve.chain.header_rules import HostRule
from vmcp_proxy.serve.context import Receive, Scope, Send

_WRONG_HOST: Final = "The admin port answers to names of this machine only; use localhost or 127.0.0.1."


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the proxy may get traffic, and if not, why."""

    ready: bool
    reasons: tuple[str, ...] = ()


class StatusSource(Protocol):
    """Who knows the state of the proxy; both answers are immediate and hold no URL and no secret."""

    def readiness(self) -> Readiness: ...

    def status(self) -> PodStatus: ...


class AdminApp(FastAPI):
    """The application, which answers 421 to requests for other names than `hosts` allows."""

    hosts: HostRule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            names = [value for name, value in scope["headers"] if name == b"host"]
            if not all(map(self.hosts.allows, names or [None])):
                await _json({"detail": _WRONG_HOST}, 421)(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def build_admin_app(source: StatusSource, metrics: Metrics, explainer: Explainer, hosts: HostRule) -> FastAPI:
    """The admin application: `/healthz`, `/readyz`, `/status` (with an ETag), `/metrics` and `/explain`, nothing else.

    Where only this machine reaches the port, `hosts` keeps web pages out that have their own name resolve to it
    (DNS rebinding); in a cluster probes and scrapes come by the pod's address.
    """
    app = AdminApp(title="vmcp admin", docs_url=None, redoc_url=None, openapi_url=None)
    app.hosts = hosts

    @app.get("/healthz")
    async def healthz() -> Response:
        return _json({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> Response:
        readiness = source.readiness()
        answer = {"ready": readiness.ready, "reasons": readiness.reasons}
        return _json(answer, 200 if readiness.ready else 503)

    @app.get("/status")
    async def status(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        return _tagged(encode(source.status()), if_none_match)

    @app.get("/metrics")
    async def scrape(accept: Annotated[str, Header()] = "") -> Response:
        text, media_type = await asyncio.to_thread(metrics.snapshot().render, accept)
        return Response(text, headers={"content-type": media_type})

    @app.get("/explain")
    async def names(kind: str = "") -> Response:
        return list_names(kind, explainer)

    @app.post("/explain")
    async def answer(request: Request) -> Response:
        return await answer_question(request, explainer)

    return app


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _tagged(body: bytes, if_none_match: str | None) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    known = {entry.strip().removeprefix("W/") for entry in (if_none_match or "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"etag": tag})
    return Response(body, headers={"etag": tag, "cache-control": "no-cache"}, media_type="application/json")
