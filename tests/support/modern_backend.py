"""A scripted server that speaks MCP 2026-07-28, with or without the former revisions on the same URL."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted_backend import LISTS, Call, Heard, Refusal, ScriptedBackend, Status
from vmcp_proxy.protocol.modern.header_values import decode_header_value

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_CACHED = {*LISTS, "resources/read", "server/discover"}
_STATUS = {-32020: 400, -32021: 400, -32022: 400, -32602: 400, -32601: 404}


def asking(state: str | None = None, **requests: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A result that asks for input, by key."""
    asked = {key: {"method": method, "params": params} for key, (method, params) in requests.items()}
    result: dict[str, Any] = {"resultType": "input_required", "inputRequests": asked}
    return result if state is None else result | {"requestState": state}


@dataclass
class ModernBackend(ScriptedBackend):
    """Speaks `eras`. `modern_tools` are those of the modern protocol, where they are others.

    `discovers` answers `server/discover` where it is no ordinary server. `ttl` and `scope` are the hints of its lists.
    """

    eras: set[str] = field(default_factory=lambda: {"modern"})
    modern_tools: list[dict[str, Any]] | None = None
    ttl: int = 60_000
    scope: str = "public"
    discovers: Callable[[Call], Awaitable[None]] | None = None
    listening: list[tuple[dict[str, Any], Call]] = field(default_factory=list)

    @property
    def modern(self) -> list[Heard]:
        """The modern requests, in order."""
        return [each for each in self.heard if each.headers.get("mcp-protocol-version") == MODERN]

    def modern_calls(self, method: str) -> list[Heard]:
        return [each for each in self.modern if each.method == method]

    async def tell(self, method: str, **params: Any) -> None:
        """A notification on every listening stream."""
        for wanted, call in list(self.listening):
            identity = {f"{META}subscriptionId": wanted["id"]}
            await call.notify(method, **params, _meta=identity)

    async def _answer(
        self, heard: Heard, reader: asyncio.StreamReader, write: Callable[[bytes], Awaitable[None]]
    ) -> None:
        if heard.headers.get("mcp-protocol-version") == MODERN and "modern" in self.eras:
            await self._modern(Call(self, heard, write), reader)
        elif "legacy" in self.eras:
            await super()._answer(heard, reader, write)
        else:
            await refused(Call(self, heard, write), _unsupported())

    async def _modern(self, call: Call, reader: asyncio.StreamReader) -> None:
        method = call.heard.method
        if call.heard.verb != "POST":
            raise Status(405)
        if method == "server/discover" and self.discovers is not None:
            await self.discovers(call)
            return
        flaw = flaw_of(call.heard, self._tools())
        if flaw:
            await refused(call, Refusal(-32020, flaw))
        elif method == "subscriptions/listen":
            await self._listen(call, reader)
        else:
            await self._modern_result(call, method)

    async def _modern_result(self, call: Call, method: str) -> None:
        try:
            result = await self._result(call, method)
        except Refusal as refusal:
            await refused(call, refusal)
            return
        if isinstance(result, dict):
            result = {"resultType": "complete"} | result
            if method in _CACHED:
                result = {"ttlMs": self.ttl, "cacheScope": self.scope} | result
        raw = result if isinstance(result, bytes) else json.dumps(result).encode()
        message = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (json.dumps(call.heard.message["id"]).encode(), raw)
        if call.streams:
            await call.say(message)
            await call.write(b"0\r\n\r\n")
        else:
            await _json(call, 200, message)

    async def _result(self, call: Call, method: str) -> dict[str, Any] | bytes:
        if method == "server/discover":
            info = {f"{META}serverInfo": {"name": "scripted", "version": "2"}}
            hello = {"supportedVersions": [MODERN], "capabilities": self.offers, "_meta": info}
            return hello if self.instructions is None else hello | {"instructions": self.instructions}
        if method in ("ping", "initialize", "logging/setLevel", "resources/subscribe"):
            raise Refusal(-32601, f"no {method}")
        tools, self.tools = self.tools, self._tools()
        try:
            return await self.result_for(call)
        finally:
            self.tools = tools

    def _tools(self) -> list[dict[str, Any]]:
        return self.tools if self.modern_tools is None else self.modern_tools

    async def _listen(self, call: Call, reader: asyncio.StreamReader) -> None:
        wanted = call.params["notifications"] | {"id": call.heard.message["id"]}
        identity = {f"{META}subscriptionId": wanted["id"]}
        await call.notify(
            "notifications/subscriptions/acknowledged", notifications=call.params["notifications"], _meta=identity
        )
        entry = (wanted, call)
        self.listening.append(entry)
        try:
            await reader.read(1)
        finally:
            self.listening.remove(entry)
        raise ConnectionResetError


def flaw_of(heard: Heard, tools: list[dict[str, Any]]) -> str:
    """What a strict server would refuse; empty where nothing is."""
    params = heard.message.get("params") or {}
    meta = params.get("_meta") or {}
    if heard.headers.get("mcp-method") != heard.method:
        return "Mcp-Method does not fit"
    if meta.get(f"{META}protocolVersion") != MODERN or f"{META}clientCapabilities" not in meta:
        return "the envelope is not whole"
    if "mcp-session-id" in heard.headers:
        return "there are no sessions"
    member = _NAMED.get(heard.method)
    named = heard.headers.get("mcp-name")
    if member is not None and (named is None or decode_header_value(named.encode()) != params.get(member)):
        return "Mcp-Name does not fit"
    return _flaw_of_arguments(heard, params, tools) if heard.method == "tools/call" else ""


def _flaw_of_arguments(heard: Heard, params: dict[str, Any], tools: list[dict[str, Any]]) -> str:
    named = next((each for each in tools if each["name"] == params.get("name")), None)
    properties = {} if named is None else named["inputSchema"].get("properties", {})
    for name, schema in properties.items():
        header = schema.get("x-mcp-header")
        value = (params.get("arguments") or {}).get(name)
        came = heard.headers.get(f"mcp-param-{header}".lower()) if header else None
        if header and (came is None) != (value is None):
            return f"Mcp-Param-{header} does not fit"
        if header and came is not None and decode_header_value(came.encode("latin-1")) != _written(value):
            return f"Mcp-Param-{header} differs"
    return ""


def _written(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _unsupported() -> Refusal:
    return Refusal(-32022, "Unsupported protocol version", {"supported": [MODERN], "requested": "2025-11-25"})


async def refused(call: Call, refusal: Refusal) -> None:
    """Answers with an error, at the status that it has in this protocol."""
    message = {"jsonrpc": "2.0", "id": call.heard.message.get("id"), "error": refusal.error}
    if call.streams:
        await call.say(message)
        await call.write(b"0\r\n\r\n")
    else:
        await _json(call, _STATUS.get(refusal.error["code"], 200), json.dumps(message).encode())


async def _json(call: Call, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    await call.write(head.encode() + body)
