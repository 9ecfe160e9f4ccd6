"""The values that aggregation works on: what backends offer and what clients see of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from vmcp_proxy.core.catalog.arguments import ArgumentPlan
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, Annotations
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.modern.cache_hints import CacheHints
from vmcp_proxy.protocol.modern.param_headers import ParamHeaders

EntryT = TypeVar("EntryT")

_LISTING_BYTES: Final = 2000
_DESCRIPTOR_BYTES: Final = 60
"""What a listing takes, and each of its entries beside its JSON and its name."""


class Descriptor(msgspec.Struct, frozen=True, gc=False):
    """One entry of a backend's list: its original name and its JSON object as the backend wrote it."""

    kind: Kind
    name: str
    raw: bytes


class Dropped(msgspec.Struct, frozen=True, gc=False):
    """An entry that is not served; `name` is cleaned for display, or `#<position>` where there is none."""

    backend: str
    kind: Kind
    name: str
    reason: str


class Incomplete(msgspec.Struct, frozen=True, gc=False):
    """A backend's list of one kind that could not be read to its end; what came before the end is served."""

    backend: str
    kind: Kind
    reason: str


class ByKind(Generic[EntryT]):
    """Has the entries of each kind in a member of its own; the subclass is a dataclass and declares them."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def tools(self) -> tuple[EntryT, ...]: ...
        @property
        def resources(self) -> tuple[EntryT, ...]: ...
        @property
        def templates(self) -> tuple[EntryT, ...]: ...
        @property
        def prompts(self) -> tuple[EntryT, ...]: ...

    def of(self, kind: Kind) -> tuple[EntryT, ...]:
        """The entries of one kind, in their order."""
        match kind:
            case Kind.TOOL:
                return self.tools
            case Kind.RESOURCE:
                return self.resources
            case Kind.TEMPLATE:
                return self.templates
            case Kind.PROMPT:
                return self.prompts


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Listing(ByKind[Descriptor]):
    """Everything that one backend lists, in its own order.

    `digest` changes exactly when anything else here does but `hints`, which say how long a modern backend lets it be
    kept, and `passing`, the kinds that are `incomplete` and may be whole soon.
    """

    backend: str
    tools: tuple[Descriptor, ...] = ()
    resources: tuple[Descriptor, ...] = ()
    templates: tuple[Descriptor, ...] = ()
    prompts: tuple[Descriptor, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    incomplete: tuple[Incomplete, ...] = ()
    hints: CacheHints | None = field(default=None, compare=False)
    passing: frozenset[Kind] = field(default=frozenset(), compare=False)
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        content = msgspec.msgpack.encode(
            (
                (self.tools, self.resources, self.templates, self.prompts),
                self.dropped,
                self.incomplete,
                self.backend,
            )
        )
        object.__setattr__(self, "digest", blake2b(content, digest_size=16).digest())

    @property
    def is_passing(self) -> bool:
        """Whether it is worth reading again soon."""
        return bool(self.passing)

    def over(self, former: "Listing", most_bytes: int) -> "Listing":
        """This listing, with the lists of a former one in place of those that could not be read now.

        Each list is of one reading, where more of it came. Itself where the texts together have more than `most_bytes`.
        """
        if not self.passing:
            return self
        lists = {kind: self.of(kind) for kind in Kind}
        for kind in self.passing:
            lists[kind] = max(self.of(kind), former.of(kind), key=len)
        if sum(len(each.raw) for entries in lists.values() for each in entries) > most_bytes:
            return self
        return replace(
            self,
            tools=lists[Kind.TOOL],
            resources=lists[Kind.RESOURCE],
            templates=lists[Kind.TEMPLATE],
            prompts=lists[Kind.PROMPT],
        )

    @property
    def weight(self) -> int:
        """See `Weighed.weight`."""
        return _LISTING_BYTES + sum(_DESCRIPTOR_BYTES + each.name.__sizeof__() for each in self._entries)

    @property
    def texts(self) -> Iterable[bytes]:
        """See `Weighed.texts`: the JSON of its entries."""
        return (each.raw for each in self._entries)

    @property
    def _entries(self) -> Iterable[Descriptor]:
        return chain(self.tools, self.resources, self.templates, self.prompts)


class Capability(msgspec.Struct, frozen=True, gc=False):
    """One routable entry of a catalog: what clients call it, whose it is, and the JSON that they see.

    `backend` is empty for a tool of the proxy's own, which its `original` name belongs to as well.
    `arguments` says what becomes of the arguments of a tool's calls; None leaves them alone. `annotations` are a
    tool's, by the backend or by the settings. `renamed` is a tool's name by the settings, before it became the one that
    clients know; empty where they give none. `is_listed` where a list of the backend has it, or names it as a tool's
    page; without it the caller may have chosen the URI (ADR-0041). `headers` are the arguments of a tool that clients
    without a session say again in headers.
    """

    kind: Kind
    exposed: str
    backend: str
    original: str
    raw: bytes
    arguments: ArgumentPlan | None = None
    annotations: Annotations = NO_ANNOTATIONS
    is_listed: bool = False
    renamed: str = ""
    headers: ParamHeaders = ()


class ConflictReason(StrEnum):
    """Why a name is not served for everyone who claims it."""

    LOWER_PRIORITY = "LowerPriority"
    """Another backend stands higher in the priority order."""
    AMBIGUOUS = "AmbiguousName"
    """Nothing decides between the claims: the name is withheld from all."""
    DUPLICATE = "DuplicateUri"
    """The first backend in sorted order serves it."""
    HIDDEN = "HiddenWinner"
    """Its winner does not serve it: the settings leave the tool out, which keeps the name all the same."""
    COMPOSITE = "CompositeTool"
    """A composite tool has the name of a backend's tool, and is not served."""
    SEARCH = "ToolSearch"
    """Tool search has it for a tool of its own: the other one is not listed, but found."""


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """A name that was claimed more than once; `winner` serves it, None where nobody does."""

    kind: Kind
    name: str
    winner: str | None
    losers: tuple[str, ...]
    reason: ConflictReason


class Unmatched(msgspec.Struct, frozen=True, gc=False):
    """An entry of the aggregation settings that fits nothing.

    `setting` says what it is an entry of: `filter`, `overrides`, `arguments` (the entry is `<tool>.<argument>`), or
    `workload` for one whose backend is unknown.
    """

    workload: str
    setting: str
    entry: str


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How listing one backend went: `ok`, or a category with a message that is fit for clients."""

    status: str = "ok"
    message: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether entries of this backend may be missing from the catalog."""
        return self.status != "ok"
