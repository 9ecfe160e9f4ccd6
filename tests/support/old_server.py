"""A server of the first HTTP transport (MCP 2024-11-05, "HTTP with SSE") that does what a test tells it to."""

import asyncio

from tests.support.raw_server import END, EVENTS, RawServer, answer_to, event


class OldServer:
    """Sends `endpoint` with the number of its stream and answers there; `on_call` and `on_post` may be replaced."""

    def __init__(self, endpoint=b"/messages?session_id=%d", version="2024-11-05"):
        self.server = RawServer(self.handle)
        self.endpoint = endpoint
        self.version = version
        self.streams = []
        self.over = asyncio.Event()
        self.on_call = self.answer
        self.on_post = self.accept

    async def handle(self, asked):
        if asked.verb == "GET":
            await asked.write(EVENTS)
            self.streams.append(asked)
            if self.endpoint is not None:
                number = len(self.streams)
                endpoint = self.endpoint % number if b"%d" in self.endpoint else self.endpoint
                await asked.send(event(endpoint, name="endpoint"))
            await self.over.wait()
            await asked.write(END)
        else:
            await self.on_post(asked)

    async def accept(self, asked):
        await asked.status(202, b"Accepted", connection="close")
        await self.respond(asked)

    async def respond(self, asked):
        number = asked.message.get("id")
        if asked.method == "initialize":
            info = {"name": "old", "version": "1"}
            hello = {"protocolVersion": self.version, "capabilities": {"tools": {}}, "serverInfo": info}
            await self.say_to(asked, {"jsonrpc": "2.0", "id": number, "result": hello})
        elif asked.method == "tools/list":
            tools = [{"name": "echo", "inputSchema": {"type": "object"}}]
            await self.say_to(asked, {"jsonrpc": "2.0", "id": number, "result": {"tools": tools}})
        elif asked.method == "ping":
            await self.say_to(asked, {"jsonrpc": "2.0", "id": number, "result": {}})
        elif asked.method == "tools/call":
            await self.on_call(asked)

    async def answer(self, asked):
        await self.say_to(asked, answer_to(asked.message["id"], asked.message["params"]["name"]))

    async def say_to(self, asked, message):
        _, _, number = asked.target.partition("session_id=")
        stream = self.streams[int(number) - 1] if number else self.streams[-1]
        await stream.send(event(message, name="message"))

    async def say(self, *messages):
        for each in messages:
            await self.streams[-1].send(event(each, name="message"))

    async def cut(self):
        """Ends every stream there is."""
        self.over.set()
        self.over = asyncio.Event()
