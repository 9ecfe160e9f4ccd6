"""A program that speaks MCP over its standard streams: modern alone, or in the protocol of its first request (`both`).

Asked for what it does not speak it says so, or it ends (`ends`).
"""

import json
import os
import sys

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
BOTH = sys.argv[1] == "both"
opened = ""


def say(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tools():
    name = "new" if opened == "modern" else "old"
    return [{"name": name, "description": "d", "inputSchema": {"type": "object"}}]


def text(content):
    return {"content": [{"type": "text", "text": content}]}


def answer(method, params):
    if method == "server/discover":
        return {"supportedVersions": [MODERN], "capabilities": {"tools": {"listChanged": True}}}
    if method == "initialize":
        info = {"name": "p", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": tools(), "ttlMs": 0, "cacheScope": "private"}
    if params["name"] == "hang":
        return None
    declared = params.get("_meta", {}).get(f"{META}clientCapabilities")
    if params.get("arguments", {}).get("ask") and "inputResponses" not in params:
        asked = {"name": {"method": "elicitation/create", "params": {"message": "?"}}}
        return {"resultType": "input_required", "inputRequests": asked, "requestState": "s"}
    said = {"pid": os.getpid(), "declared": declared, "replies": params.get("inputResponses")}
    return text(json.dumps(said)) | {"resultType": "complete"}


for line in sys.stdin:
    message = json.loads(line)
    method, params, number = message.get("method"), message.get("params") or {}, message.get("id")
    if number is None:
        continue
    is_modern = f"{META}protocolVersion" in (params.get("_meta") or {})
    opened = opened or ("modern" if is_modern else "legacy")
    if (opened == "modern") != is_modern or (opened == "legacy" and not BOTH):
        opened = opened if BOTH else ""
        if sys.argv[1] == "ends":
            sys.exit(1)
        say({"id": number, "error": {"code": -32022, "message": "no", "data": {"supported": [MODERN]}}})
    elif method == "subscriptions/listen":
        meta = {f"{META}subscriptionId": number}
        told = {"notifications": params["notifications"], "_meta": meta}
        say({"method": "notifications/subscriptions/acknowledged", "params": told})
    elif (result := answer(method, params)) is not None:
        say({"id": number, "result": result})
