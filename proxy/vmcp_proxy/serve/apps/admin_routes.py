"""What the admin port answers with the framework: all but what has to be told before that is loaded."""

import asyncio
import hashlib
from typing import Annotated

from fastapi import FastAPI, Header, Request, Response

from vmcp_api.pod_status import encode
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.serve.apps.admin import StatusSource
from vmcp_proxy.serve.apps.explain import Explainer
from vmcp_proxy.serve.apps.explain_routes import answer_question, list_names


def build_admin_routes(source: StatusSource, metrics: Metrics, explainer: Explainer) -> FastAPI:
    """`/status` (with an ETag), `/metrics` and `/explain`."""
    app = FastAPI(title="vmcp admin", docs_url=None, redoc_url=None, openapi_url=None)

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


def _tagged(body: bytes, if_none_match: str | None) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    known = {entry.strip().removeprefix("W/") for entry in (if_none_match or "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"etag": tag})
    return Response(body, headers={"etag": tag, "cache-control": "no-cache"}, media_type="application/json")
