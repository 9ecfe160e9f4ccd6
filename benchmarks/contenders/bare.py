"""Bare passthroughs: what two HTTP hops cost, with no gateway work at all."""

from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.child import python
from benchmarks.contenders.site import Contender, Launch, Site, initializes

BASE = "bare"
"""The contender that ratios are against: as little as a Python proxy can do."""

_ROOT = Path(__file__).resolve().parents[2]


def _launch(client: str, site: Site) -> Launch:
    command = python("passthrough", client, site.backends[0], str(site.port))
    # It runs in a folder of its own, where this package is not to be found.
    return Launch(command, partial(initializes, site.port), env={"PYTHONPATH": str(_ROOT)})


def contenders() -> tuple[Contender, ...]:
    """The one over the proxy's own client, and one over aiohttp."""
    return (
        _bare(BASE, "bare passthrough, httptools client", "httptools", version("httptools")),
        _bare("bare-aiohttp", "bare passthrough, aiohttp", "aiohttp", version("aiohttp")),
    )


def _bare(name: str, title: str, client: str, number: str) -> Contender:
    versions = f"uvicorn {version('uvicorn')}, {client} {number}"
    return Contender(name, title, partial(_launch, client), versions, aggregates=False)
