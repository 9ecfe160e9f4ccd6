"""What policies may name, and what is told of one that names something else; without the library, which is large."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """The backends and the VirtualMCPServers that there are; `None` where that is not known.

    Where not `is_whole`, policies may mean others too: then only what looks like a slip is told.
    """

    backends: frozenset[str] | None = None
    servers: frozenset[str] | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class CedarDoubt:
    """Something of a policy that nothing has; `text` is its place among the texts, `line` counts from 1 there."""

    text: int
    line: int
    message: str
    remedy: str
