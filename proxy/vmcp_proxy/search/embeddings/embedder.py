"""Ranks tools by a model elsewhere: asks for their vectors in the background, and for a query's when it is searched."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from vmcp_proxy.auth.oauth.single_flight import SingleFlight
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.search.aside import Aside
from vmcp_proxy.search.embeddings.attempts import Attempts
from vmcp_proxy.search.embeddings.batches import Batches
from vmcp_proxy.search.embeddings.client import EmbeddingsClient
from vmcp_proxy.search.embeddings.errors import EmbeddingsError, Fault
from vmcp_proxy.search.embeddings.passages import MAX_PASSAGE, Passage, digest_of_text
from vmcp_proxy.search.embeddings.state import Condition, EmbeddingsState
from vmcp_proxy.search.embeddings.store import VectorStore, nearest
from vmcp_proxy.search.ranking.index import DEPTH

logger: Final = logging.getLogger("vmcp.search")

_MISSED: Final = 20
"""One tool in so many may have no vector yet: the other rankings have it."""
_MAX_QUERIES: Final = 256
"""Queries whose vectors are remembered, by digests: what people looked for is kept nowhere."""


class Embedder:
    """One for each server of embeddings; `run` has to run beside it for as long as it is used.

    A search never fails for it and never waits for longer than the timeout of one request: where there is no ranking
    in time, there is none.
    """

    def __init__(self, client: EmbeddingsClient, store: VectorStore | None = None) -> None:
        self._client: Final = client
        self._store: Final = VectorStore() if store is None else store
        self._attempts: Final = Attempts()
        self._batches: Final = Batches()
        self._has_work: Final = asyncio.Event()
        self._flights: Final[SingleFlight[str, bytes]] = SingleFlight()
        self._aside: Final = Aside()
        self._queries: OrderedDict[bytes, bytes] = OrderedDict()

    @property
    def state(self) -> EmbeddingsState:
        """What `/status` tells."""
        if self._attempts.reason:
            condition = Condition.AWAY
        elif self._store.is_full(_now()):
            condition = Condition.FULL
        else:
            condition = Condition.PREPARING if len(self._batches) else Condition.READY
        return EmbeddingsState(condition, self._attempts.reason, len(self._store), len(self._batches))

    def prepare(self, passages: Sequence[Passage]) -> int:
        """Has the vectors of these asked for, where they are not known; how many those are."""
        missing = self._store.missing((passage.digest for passage in passages), _now())
        if missing and not self._store.is_full(_now()):
            self._batches.add(passages[place] for place in missing)
            self._has_work.set()
        return len(missing)

    async def rank(self, passages: Sequence[Passage], query: str) -> tuple[int, ...] | None:
        """The places of the passages nearest to a query, best first; None where there is no such ranking now."""
        missing = self.prepare(passages)
        if not passages or missing * _MISSED > len(passages) or _now() < self._attempts.until:
            return None
        try:
            async with asyncio.timeout(self._client.timeout):
                vector = await self._query_vector(query[:MAX_PASSAGE].encode("utf-8", "replace").decode())
        except EmbeddingsError:
            return None
        except TimeoutError:
            self._failed(EmbeddingsError("no vector of a query in time", Fault.SLOW))
            return None
        vectors = self._store.vectors_of([passage.digest for passage in passages])
        return await self._aside.run(nearest, vectors, vector, DEPTH)

    async def run(self) -> None:
        """Asks for the vectors of what was prepared, one request at a time; ends by being cancelled."""
        while True:
            await self._has_work.wait()
            pause = self._attempts.until - _now()
            if pause > 0:
                await asyncio.sleep(pause)
            elif batch := self._batches.take():
                await self._fill(batch)
            else:
                self._has_work.clear()

    async def _fill(self, batch: tuple[Passage, ...]) -> None:
        began = _now()
        try:
            vectors = await self._embed([passage.text for passage in batch])
        except EmbeddingsError as error:
            given_up = self._batches.failed(batch, error.fault)
            if given_up is None:
                self._failed(error)
            elif given_up:
                self._keep([(passage, b"") for passage in given_up])
            return
        self._batches.succeeded(batch, _now() - began, self._client.timeout)
        self._keep(list(zip(batch, vectors, strict=True)))

    def _keep(self, found: list[tuple[Passage, bytes]]) -> None:
        now = _now()
        if not all(self._store.add(passage.digest, vector, now) for passage, vector in found):
            self._batches.clear()
            log_event(logger, logging.WARNING, "more tools than vectors that are kept", known=len(self._store))

    async def _query_vector(self, query: str) -> bytes:
        key = digest_of_text(query.encode())
        known = self._queries.get(key)
        if known is not None:
            self._queries.move_to_end(key)
            return known
        return await self._flights.ask(query, lambda: self._ask(query))

    async def _ask(self, query: str) -> bytes:
        try:
            (vector,) = await self._embed([query])
        except EmbeddingsError as error:
            # What is refused may lie with this query alone.
            if error.fault is not Fault.REFUSED:
                self._failed(error)
            raise
        self._queries[digest_of_text(query.encode())] = vector
        if len(self._queries) > _MAX_QUERIES:
            self._queries.popitem(last=False)
        return vector

    async def _embed(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        vectors = await self._client.embed(texts)
        known = self._store.vector_bytes
        if known and any(len(vector) != known for vector in vectors):
            self._store.clear()
            self._queries.clear()
            raise EmbeddingsError("its vectors have another length than before; all are asked for again")
        self._attempts.succeeded()
        return vectors

    def _failed(self, error: EmbeddingsError) -> None:
        if _now() < self._attempts.until:
            # Others who waited for the same have said so.
            return
        is_news = error.reason != self._attempts.reason
        pause = self._attempts.failed(error.reason, _now(), error.retry_after)
        if is_news:
            log_event(logger, logging.WARNING, "no embeddings", reason=error.reason, pause=pause)


def _now() -> float:
    return asyncio.get_running_loop().time()
