"""All contenders of a run, in the order of their turns, and who is missing."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from benchmarks.collector import Collector
from benchmarks.contenders import bare, binary, contextforge, fast_mcp, ours, ruled
from benchmarks.contenders.site import Absent, Contender
from benchmarks.issuer import Issuer


@dataclass(frozen=True, slots=True)
class Peers:
    """Where the peers are: a binary, or a Python environment."""

    agentgateway: Path | None = None
    toolhive_vmcp: Path | None = None
    fastmcp: Path | None = None
    contextforge: Path | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """Who takes part and who does not.

    Who is `secured` takes part where calls and lists are measured; who is `limited`, and `alone` what has one thing on,
    where small calls are.
    """

    present: tuple[Contender, ...]
    absent: tuple[Absent, ...]
    secured: tuple[Contender, ...] = ()
    limited: tuple[Contender, ...] = ()
    alone: tuple[Contender, ...] = ()

    @property
    def all(self) -> tuple[Contender, ...]:
        """Everybody who takes part somewhere, in the order of their turns."""
        return (*self.present, *self.alone, *self.limited, *self.secured)

    def only(self, names: Collection[str]) -> "Roster":
        """The same without those who have another name."""

        def kept(contenders: tuple[Contender, ...]) -> tuple[Contender, ...]:
            return tuple(each for each in contenders if each.name in names)

        return Roster(kept(self.present), self.absent, kept(self.secured), kept(self.limited), kept(self.alone))

    @property
    def base(self) -> Contender:
        """The contender that ratios are against."""
        return next(each for each in self.present if each.name == bare.BASE)

    @property
    def ours(self) -> tuple[Contender, ...]:
        """This proxy under its configs."""
        return tuple(each for each in self.present if each.is_ours)

    @property
    def aggregating(self) -> tuple[Contender, ...]:
        """Those that take many backends."""
        return tuple(each for each in self.present if each.aggregates)


def roster(
    peers: Peers, issuer: Issuer | None = None, redis: str | None = None, collector: Collector | None = None
) -> Roster:
    """The passthroughs, this proxy, every peer that is named and there.

    With an issuer and a collector also those that want tokens, and those that send something; with the address of a
    Redis those that share buckets there.
    """
    others = (
        binary.agentgateway(peers.agentgateway),
        binary.toolhive(peers.toolhive_vmcp),
        fast_mcp.contender(peers.fastmcp),
        contextforge.contender(peers.contextforge),
    )
    present = (*bare.contenders(), ours.PLAIN, ours.FULL)
    present += tuple(each for each in others if isinstance(each, Contender))
    absent = tuple(each for each in others if isinstance(each, Absent))
    limited = (ours.LIMITED,) if redis is None else (ours.LIMITED, ours.limited_by_redis(redis))
    if issuer is None or collector is None:
        return Roster(present, absent, limited=limited)
    peer = ruled.agentgateway(peers.agentgateway, issuer)
    secured = (ours.secured(issuer, collector), *((peer,) if isinstance(peer, Contender) else ()))
    return Roster(present, absent, secured, limited, ours.alone(issuer, collector))
