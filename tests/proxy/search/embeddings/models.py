"""A model whose vectors are known: each word that it knows is a direction of its own."""

import asyncio
import json

import numpy as np

from vmcp_proxy.search.embeddings.embedder import Embedder
from vmcp_proxy.search.embeddings.errors import EmbeddingsError, Fault
from vmcp_proxy.search.embeddings.passages import Passage, write_passage
from vmcp_proxy.search.ranking.tool_text import ToolText

WORDS = ("mail", "weather", "invoice", "flight", "")


def numbers(text):
    found = [float(word in text) for word in WORDS[:-1]]
    return [*found, 0.0 if any(found) else 1.0]


def vector(text):
    row = np.array(numbers(text), np.float32)
    return (row / np.linalg.norm(row)).astype("<f2").tobytes()


def passage(text):
    return write_passage(ToolText(text, "", "", (), ""))


def answer(texts, **changes):
    items = [{"object": "embedding", "index": at, "embedding": numbers(text)} for at, text in enumerate(texts)]
    return json.dumps({"object": "list", "data": items, "model": "m", "usage": {"total_tokens": 1}, **changes}).encode()


class Model:
    """In place of a client: `fails` are the faults of the next requests; it waits while `gate` is closed."""

    def __init__(self, *fails: EmbeddingsError, timeout: float = 5.0) -> None:
        self.timeout = timeout
        self.fails = list(fails)
        self.asked: list[tuple[str, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuses = ""
        self.extra = b""

    async def embed(self, texts):
        self.asked.append(tuple(texts))
        await self.gate.wait()
        if self.fails:
            raise self.fails.pop(0)
        if self.refuses and any(self.refuses in text for text in texts):
            raise EmbeddingsError("HTTP status 413", Fault.REFUSED)
        return tuple(vector(text) + self.extra for text in texts)


async def filled(embedder: Embedder, passages: list[Passage]) -> None:
    """Returns when there is nothing left to ask for."""
    embedder.prepare(passages)
    async with asyncio.timeout(20):
        running = asyncio.create_task(embedder.run())
        while embedder.state.waiting:  # noqa: ASYNC110 - nobody but a test waits for that
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
