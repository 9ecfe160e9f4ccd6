"""One search among the tools that its caller may see."""

import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from vmcp_proxy.core.outcomes import InWords, Result
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.search.arguments import Asked, shown
from vmcp_proxy.search.finding.answer import Found, write_answer
from vmcp_proxy.search.lists.listing import Served
from vmcp_proxy.search.observer import SearchOutcome
from vmcp_proxy.search.ranking.index import Hit, Index
from vmcp_proxy.search.services import SearchServices

logger: Final = logging.getLogger("vmcp.search")

_MOST_NAMED: Final = 50


class Searched(msgspec.Struct, frozen=True, gc=False):
    """The answer to a search, what it has found, best first, and what is to be counted."""

    result: Result
    names: tuple[str, ...]
    outcome: SearchOutcome


async def search(services: SearchServices, version: str, served: Served, asked: Asked) -> Searched | InWords:
    """Ranks the tools of a catalog, whose version is given; words where the backend has none of them.

    Raises:
        Exception: the index could not be built, or asked.
    """
    if asked.backend and asked.backend not in served.backends:
        return InWords(_no_backend(asked.backend, served.backends))
    index = await services.indexes.of(version, served.found)
    further = await _by_model(services, version, served, asked)
    hits = await services.aside.run(_ranked, services, index, served, asked, further)
    found = tuple(
        Found(served.found[hit.position], rank, hit.score, hit.is_weak) for rank, hit in enumerate(hits, start=1)
    )
    outcome = SearchOutcome.EMPTY
    if found:
        outcome = SearchOutcome.WEAK if all(each.is_weak for each in found) else SearchOutcome.FOUND
    names = tuple(each.tool.exposed for each in found)
    return Searched(write_answer(found, served, len(served.found)), names, outcome)


async def _by_model(services: SearchServices, version: str, served: Served, asked: Asked) -> Sequence[int] | None:
    """The ranking of the model elsewhere; None where there is none, whatever the reason."""
    if services.embedder is None:
        return None
    try:
        passages = await services.model_texts.of(version, served.found)
        return await services.embedder.rank(passages, " ".join((asked.query, *asked.keywords)))
    except Exception as error:  # noqa: BLE001 - it is never a condition of a search
        log_event(logger, logging.ERROR, "a ranking by embeddings failed", error=describe_exception(error))
        return None


def _ranked(
    services: SearchServices, index: Index, served: Served, asked: Asked, further: Sequence[int] | None
) -> tuple[Hit, ...]:
    query = services.analyzer.query(asked.query, asked.keywords)
    among = None
    if asked.backend:
        among = [position for position, tool in enumerate(served.found) if tool.backend == asked.backend]
    return index.search(query, asked.limit, further, among)


def _no_backend(name: str, backends: tuple[str, ...]) -> str:
    named = ", ".join(backends[:_MOST_NAMED])
    more = f" and {len(backends) - _MOST_NAMED} more" if len(backends) > _MOST_NAMED else ""
    known = f"the backends are {named}{more}; leave it out to search all" if backends else "there is none"
    return f"There is no backend {shown(name)} with tools for you: {known}."
