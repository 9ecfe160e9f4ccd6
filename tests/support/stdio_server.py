"""An MCP server over standard streams that does what its tools are asked, side by side; run it as a program.

It declares no prompts, tells of itself by name and in instructions, and ends with its input unless `stays` is its
first argument.
"""

import asyncio
import json
import os
import sys
import threading
from typing import Any

TOOLS = ["echo", "die", "garbage", "huge", "flood", "ask", "grow", "pid", "progress", "cancelled"]
TOOLS += ["subscribed", "declared"]


class Server:
    def __init__(self) -> None:
        self.tools = list(TOOLS)
        self.waiting: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self.heard: list[bool] = []
        self.asked: set[Any] = set()
        self.subscriptions: set[str] = set()
        self.initialised = 0
        self.declared_to_it: dict[str, Any] = {}

    def say(self, message: dict[str, Any]) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}))

    def write(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    async def take(self, message: dict[str, Any]) -> None:
        number, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if method is None:
            if number in self.waiting:
                self.waiting.pop(number).set_result(message)
        elif method == "notifications/cancelled":
            self.heard.append(params.get("requestId") in self.asked)
        elif number is not None:
            self.asked.add(number)
            self.say({"id": number, "result": await self.answer(method, params)})

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "initialize":
            self.initialised += 1
            self.declared_to_it = params["capabilities"]
            resources = {"subscribe": True}
            return {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {"listChanged": True}, "resources": resources},
                "serverInfo": {"name": "behind-the-bridge", "version": "4.7.11"},
                "instructions": "Ask me anything.",
            }
        if method == "tools/list":
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in self.tools]}
        if method == "resources/list":
            return {"resources": [{"uri": "note://one", "name": "one"}]}
        if method == "resources/templates/list":
            return {"resourceTemplates": []}
        if method == "tools/call":
            done = getattr(self, params["name"], self.echo)
            text = await done(params.get("arguments") or {}, (params.get("_meta") or {}).get("progressToken"))
            return {"content": [{"type": "text", "text": text}]}
        if method == "resources/subscribe":
            self.subscriptions.add(params["uri"])
        if method == "resources/unsubscribe":
            self.subscriptions.discard(params["uri"])
        return {}

    async def subscribed(self, arguments: dict[str, Any], token: object) -> str:
        return json.dumps(sorted(self.subscriptions))

    async def declared(self, arguments: dict[str, Any], token: object) -> str:
        return json.dumps(self.declared_to_it)

    async def echo(self, arguments: dict[str, Any], token: object) -> str:
        await asyncio.sleep(arguments.get("after", 0))
        return arguments.get("text", "")

    async def progress(self, arguments: dict[str, Any], token: object) -> str:
        for step in range(3):
            params = {"progressToken": token, "progress": step, "message": arguments["text"]}
            self.say({"method": "notifications/progress", "params": params})
            await asyncio.sleep(arguments.get("after", 0))
        return arguments["text"]

    async def die(self, arguments: dict[str, Any], token: object) -> str:
        os._exit(3)

    async def garbage(self, arguments: dict[str, Any], token: object) -> str:
        for line in ("Listening on stdio!", "{}", "[1, 2", '{"jsonrpc":"2.0","id":99999,"result":{}}', "\x00\x01"):
            self.write(line)
        return "said"

    async def huge(self, arguments: dict[str, Any], token: object) -> str:
        return "x" * arguments["size"]

    async def flood(self, arguments: dict[str, Any], token: object) -> str:
        for number in range(arguments["lines"]):
            sys.stderr.write(f"noise {number} token=canary-4711 " + "n" * 1000 + "\n")
        sys.stderr.flush()
        return "flooded"

    async def ask(self, arguments: dict[str, Any], token: object) -> str:
        answers = []
        for method in ("sampling/createMessage", "elicitation/create", "roots/list", "ping"):
            future = self.waiting[method] = asyncio.get_running_loop().create_future()
            self.say({"id": method, "method": method, "params": {}})
            answer = await future
            answers.append(answer.get("error", {}).get("code", "answered"))
        return json.dumps(answers)

    async def grow(self, arguments: dict[str, Any], token: object) -> str:
        self.tools.append(arguments["name"])
        self.say({"method": "notifications/tools/list_changed"})
        for uri in self.subscriptions:
            self.say({"method": "notifications/resources/updated", "params": {"uri": uri}})
        return "grown"

    async def cancelled(self, arguments: dict[str, Any], token: object) -> str:
        return json.dumps(self.heard)

    async def pid(self, arguments: dict[str, Any], token: object) -> str:
        return json.dumps([os.getpid(), self.initialised])


async def serve() -> None:
    server, loop = Server(), asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        if sys.argv[1:] != ["stays"]:
            loop.call_soon_threadsafe(lines.put_nowait, b"")

    threading.Thread(target=read, daemon=True).start()
    tasks = set()
    while line := await lines.get():
        tasks.add(asyncio.ensure_future(server.take(json.loads(line))))


if __name__ == "__main__":
    asyncio.run(serve())
