"""Answers of `/explain`, as responses of the framework."""

from typing import Final

import msgspec
from fastapi import Request, Response

from vmcp_proxy.core.explain.explainer import KINDS
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.serve.apps.explain import MOST_BYTES, Explainer, parse_question

_JSON: Final = "application/json"


async def answer_question(request: Request, explainer: Explainer) -> Response:
    """The explanation; what cannot be answered is told with what came and what to send.

    A page of a browser cannot send this media type to another origin unasked, so none can ask in a user's name.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _JSON:
        return _refuse(415, f"The question must come as {_JSON} (found {media_type[:64]!r}).")
    body = await _read(request)
    if body is None:
        return _refuse(413, f"The question is longer than {MOST_BYTES} bytes.")
    question = parse_question(body)
    if isinstance(question, str):
        return _refuse(400, question)
    return Response(msgspec.json.encode(await explainer.explain(question.asked)), media_type=_JSON)


def list_names(kind: str, explainer: Explainer) -> Response:
    """The names of a kind, without it those of tools: for whoever completes a question."""
    wanted = kind or Kind.TOOL
    if wanted not in KINDS:
        return _refuse(400, f"The kind must be one of {', '.join(KINDS)} (found {wanted[:64]!r}).")
    return Response(msgspec.json.encode({"names": explainer.names(Kind(wanted))}), media_type=_JSON)


async def _read(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _refuse(status: int, detail: str) -> Response:
    return Response(msgspec.json.encode({"detail": detail}), status, media_type=_JSON)
