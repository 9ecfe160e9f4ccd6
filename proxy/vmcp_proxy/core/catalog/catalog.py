"""The frozen routing table that one caller's view consists of."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain
from typing import Final

import msgspec

from vmcp_proxy.core.catalog.capabilities import ByKind, Capability, Conflict, Dropped, Incomplete, Outcome, Unmatched
from vmcp_proxy.core.catalog.ui_pages import PageClaims
from vmcp_proxy.core.catalog.uri_template import find_template
from vmcp_proxy.protocol.kinds import Kind

_CATALOG_BYTES: Final = 4000
_ENTRY_BYTES: Final = 300
_CLAIM_BYTES: Final = 350
"""What a catalog takes, each of its entries beside its JSON and its name, and each claim of a page beside its URI."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Catalog(ByKind[Capability]):
    """Everything that can be listed and called, each kind sorted by exposed name (by code points).

    `hidden` tools are neither listed nor callable by clients; composite tools may use them. `version` is a
    digest of everything that a client can see or a decision can depend on: descriptors and their order,
    owners, what becomes of arguments, hidden tools, missing backends. `conflicts`, `dropped`, `incomplete` and
    `unmatched` are reports for the operator's eyes and no part of it.
    `away` has the entries of backends that are not served for now: nobody lists them, but a call by such a name is
    answered by what is wrong with its backend.
    `searched` are the backends of tools that are found by a search and not listed (ADR-0065).
    `pages` are resources that tools name as theirs and nobody lists; `claims` says whose each `ui://` URI is.
    Exposed names are unique per kind, and a hidden tool's name is no other tool's.
    """

    tools: tuple[Capability, ...] = ()
    resources: tuple[Capability, ...] = ()
    templates: tuple[Capability, ...] = ()
    prompts: tuple[Capability, ...] = ()
    hidden: tuple[Capability, ...] = ()
    pages: tuple[Capability, ...] = ()
    claims: PageClaims = field(default_factory=PageClaims, repr=False)
    conflicts: tuple[Conflict, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    incomplete: tuple[Incomplete, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    away: "Catalog | None" = None
    searched: frozenset[str] = frozenset()
    version: str = field(init=False)
    _digests: dict[Kind, str] = field(init=False, repr=False)
    _index: dict[Kind, dict[str, Capability]] = field(init=False, repr=False)
    _pages_index: dict[str, Capability] = field(init=False, repr=False)
    _own_names: dict[str, Capability] | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        digests = {kind: _digest(capability.raw for capability in self.of(kind)) for kind in Kind}
        index = {kind: {capability.exposed: capability for capability in self.of(kind)} for kind in Kind}
        owners = [
            [(c.kind, c.exposed, c.backend, c.original, c.arguments) for kind in Kind for c in self.of(kind)],
            [(c.exposed, c.backend, c.original, c.raw, c.arguments) for c in self.hidden],
            [(c.exposed, c.backend, c.original) for c in self.pages],
            sorted(self.missing.items()),
            self.away.version if self.away is not None else "",
        ]
        seen = msgspec.msgpack.encode(([digests[kind] for kind in Kind], owners), order="deterministic")
        object.__setattr__(self, "version", blake2b(seen, digest_size=16).hexdigest())
        object.__setattr__(self, "_digests", digests)
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_pages_index", {page.exposed: page for page in self.pages})

    def find(self, kind: Kind, exposed: str) -> Capability | None:
        """The entry that a client knows by this name; hidden tools are not found."""
        return self._index[kind].get(exposed)

    def find_for_step(self, name: str) -> Capability | None:
        """The tool that a step of a composite tool means, hidden ones among them (ADR-0051).

        It goes by the name that clients know it by, or that they would if it were not hidden; else by
        `<workload>.<tool>`, with the tool's name at its backend or the one that the settings give it.
        """
        if self._own_names is None:
            object.__setattr__(self, "_own_names", _names_for_steps((*self.tools, *self.hidden)))
            return self.find_for_step(name)
        return self._own_names.get(name)

    def owner_of(self, uri: str) -> Capability | None:
        """The resource of exactly this URI, listed or some tool's page, else the first template that expands to it.

        A brace sorts behind letters and digits, so that the more literal of two templates comes first.
        """
        exact = self._index[Kind.RESOURCE].get(uri) or self._pages_index.get(uri)
        if exact is not None:
            return exact
        template = find_template(self._index[Kind.TEMPLATE], uri)
        return self._index[Kind.TEMPLATE][template] if template is not None else None

    def is_same(self, other: "Catalog") -> bool:
        """Whether one can stand for the other in everything, reports included."""
        return self is other or (
            self.version == other.version
            and self.claims == other.claims
            and self.outcomes == other.outcomes
            and self.searched == other.searched
            and (self.conflicts, self.dropped, self.incomplete, self.unmatched)
            == (other.conflicts, other.dropped, other.incomplete, other.unmatched)
        )

    @property
    def weight(self) -> int:
        """See `Weighed.weight`."""
        entries = sum(_ENTRY_BYTES + each.exposed.__sizeof__() for each in self._entries)
        claims = sum(_CLAIM_BYTES + uri.__sizeof__() for uri in self.claims.owners)
        return _CATALOG_BYTES + entries + claims + (0 if self.away is None else self.away.weight)

    @property
    def texts(self) -> Iterable[bytes]:
        """See `Weighed.texts`: the JSON of its entries, those of backends that are away included."""
        own = (each.raw for each in self._entries)
        return own if self.away is None else chain(own, self.away.texts)

    @property
    def _entries(self) -> Iterable[Capability]:
        return chain(self.tools, self.resources, self.templates, self.prompts, self.hidden, self.pages)

    def digest_of(self, kind: Kind) -> str:
        """A digest of what a client gets from listing this kind; `list_changed` is due when it changes."""
        return self._digests[kind]

    @property
    def missing(self) -> dict[str, Outcome]:
        """The backends whose entries may be missing, by name in sorted order."""
        return {name: self.outcomes[name] for name in sorted(self.outcomes) if self.outcomes[name].is_missing}

    def reduced(self, keeps: Callable[[Capability], bool]) -> "Catalog":
        """This catalog with only the entries that `keeps` says yes to; itself when that is all of them.

        Neither hidden tools nor reports are part of a reduced catalog.
        """
        kept = {kind: tuple(filter(keeps, self.of(kind))) for kind in Kind}
        pages = tuple(filter(keeps, self.pages))
        if all(len(kept[kind]) == len(self.of(kind)) for kind in Kind) and len(pages) == len(self.pages):
            return self
        return Catalog(
            tools=kept[Kind.TOOL],
            resources=kept[Kind.RESOURCE],
            templates=kept[Kind.TEMPLATE],
            prompts=kept[Kind.PROMPT],
            pages=pages,
            claims=self.claims,
            outcomes=self.outcomes,
        )

    def with_tools(
        self,
        tools: Iterable[Capability],
        conflicts: tuple[Conflict, ...],
        dropped: tuple[Dropped, ...],
        unmatched: tuple[Unmatched, ...],
    ) -> "Catalog":
        """This catalog with tools of the proxy's own, whose names no other tool has, and what is to be told of them."""
        return replace(
            self,
            tools=tuple(sorted((*self.tools, *tools), key=lambda capability: capability.exposed)),
            conflicts=self.conflicts + conflicts,
            dropped=self.dropped + dropped,
            unmatched=self.unmatched + unmatched,
        )

    def beside(self, known: "Catalog", away: Collection[str]) -> "Catalog":
        """This catalog, with the entries that `known` has of the backends that are away."""
        shown = known.reduced(lambda capability: capability.backend in away)
        hidden = tuple(capability for capability in known.hidden if capability.backend in away)
        return replace(self, away=replace(shown, hidden=hidden))


def _names_for_steps(tools: Sequence[Capability]) -> dict[str, Capability]:
    names = {tool.exposed: tool for tool in tools}
    for tool in tools:
        names.setdefault(f"{tool.backend}.{tool.original}", tool)
    for tool in tools:
        if tool.renamed:
            names.setdefault(f"{tool.backend}.{tool.renamed}", tool)
    return names


def _digest(parts: Iterable[bytes]) -> str:
    framed = b"".join(piece for part in parts for piece in (b"%d:" % len(part), part))
    return blake2b(framed, digest_size=16).hexdigest()
