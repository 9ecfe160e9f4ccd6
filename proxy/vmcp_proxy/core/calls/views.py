"""The catalog that one caller sees: one listing per member, merged and kept."""

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Final
from weakref import WeakValueDictionary, ref

import msgspec

from vmcp_api.spec.aggregation import Aggregation
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.calls.standing import cacheable_of, outcome_of
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.capabilities import Listing, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.group_listings import GroupListings
from vmcp_proxy.core.catalog.trace import Traced
from vmcp_proxy.core.client import BuiltView, ClientContext
from vmcp_proxy.core.listings.cache import Listings
from vmcp_proxy.core.listings.entry import Entry
from vmcp_proxy.core.listings.reader import fetch_listing
from vmcp_proxy.core.listings.scopes import SHARED, Digests, Scope
from vmcp_proxy.core.members.member import Bounds, Member, Members
from vmcp_proxy.core.members.own_links import OwnLinks
from vmcp_proxy.core.policy.all_or_nothing import IS_WITHHELD, WITHHELD
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import Collision
from vmcp_proxy.protocol.kinds import Kind

_MOST_ROUNDS: Final = 10
"""How often a view is begun anew, at most, because what it is made of is another one meanwhile."""


class Views:
    """Builds catalogs; `epoch` counts what may have changed one, so that a call can trust the view it has.

    A caller without capabilities and headers sees what the proxy itself sees (`SHARED`), those with the same
    capabilities the same; others have listings of their own, never mixed with anybody else's headers (ADR-0018), nor,
    where a backend tells callers apart by who they are, with anybody else's tokens (ADR-0040). For a caller the group
    are the backends within its reach: the others are not asked, and add nothing (ADR-0044). The catalogs of callers are
    kept within the `budget`: what has given way is made again, of listings that may have to be asked for (ADR-0067).
    """

    def __init__(
        self, listings: Listings, links: OwnLinks, digests: Digests, reach: Reach, budget: CatalogBudget
    ) -> None:
        self.epoch = 0
        self.deadlines_missed: Counter[str] = Counter()
        self._listings = listings
        self._links = links
        self._digests = digests
        self._reach = reach
        self._members: Members = {}
        self._withheld: dict[str, Outcome] = {}
        self._aggregation = Aggregation()
        self.bounds: Bounds | None = None
        self._catalogs: WeakValueDictionary[tuple[object, ...], Catalog] = WeakValueDictionary()
        self._budget: Final = budget
        self._own: Catalog | None = None
        self._shared_as_of: tuple[int, ref[Catalog]] | None = None

    def configure(self, members: Members, withheld: frozenset[str], aggregation: Aggregation, bounds: Bounds) -> None:
        """Takes over a new config."""
        self._members = members
        self._withheld = {name: Outcome(WITHHELD, f"backend {name!r} {IS_WITHHELD}") for name in sorted(withheld)}
        self._aggregation = aggregation
        self.bounds = bounds
        self._catalogs.clear()
        self._own = None
        self._budget.keep_only(Listing)
        self.epoch += 1

    def member(self, name: str) -> Member | None:
        """The member of this name that is served now."""
        return self._members.get(name)

    def changed(self) -> None:
        """Says that some listing or some backend's state is another one now."""
        self.epoch += 1

    def current(self, caller: Caller) -> Catalog | None:
        """The caller's catalog where nothing has changed since it was built."""
        built = caller.client.view
        if built is None or built.epoch != self.epoch or not _is_for(built, caller):
            return None
        looks = self._listings.looks
        if built.identity is not caller.identity or built.looks != looks:
            # A refreshed token: found to say the same once, and the former one is let go of.
            caller.client.view = msgspec.structs.replace(built, identity=caller.identity, looks=looks)
        catalog = built.catalog
        if catalog is not None:
            self._budget.touch(catalog)
            if built.looks != looks:
                # Who only calls uses what it was made of too: it must be known whose a name is.
                self._entries(caller, self._reach_of(caller.identity))
        return catalog

    def note_use(self, caller: Caller) -> None:
        """Has what the caller knows count as used, although it says nothing."""
        self._entries(caller, self._reach_of(caller.identity))
        catalog = None if caller.client.view is None else caller.client.view.catalog
        if catalog is not None:
            self._budget.touch(catalog)

    async def view(self, caller: Caller) -> Catalog:
        """The caller's catalog; waits for members whose listing is not there, each up to the list deadline."""
        catalog = self._fresh(caller)
        if catalog is not None:
            return catalog
        return await self._built(caller, self._listings.needs_list, is_patient=True)

    def asks(self, caller: Caller) -> bool:
        """Whether `view` would ask a backend now, or wait for what one has been asked."""
        built = caller.client.view
        if (
            built is not None
            and built.epoch == self.epoch
            and built.identity is caller.identity
            and built.snapshot is caller.snapshot
            and built.found is not None
            and built.found() is not None
            and asyncio.get_running_loop().time() < built.expires
        ):
            # As `_fresh` finds it, without its frames: every call of a limited endpoint asks.
            return False
        if self._fresh(caller) is not None:
            return False
        entries = self._entries(caller, self._reach_of(caller.identity))
        return any(map(self._listings.needs_list, entries.values()))

    def asks_for_one(self, caller: Caller) -> bool:
        """As `asks`, for what the proxy itself does not have backends asked for."""
        if self._fresh(caller) is not None:
            return False
        entries = self._entries(caller, self._reach_of(caller.identity)).values()
        return any(entry.scope != SHARED and self._listings.needs_list(entry) for entry in entries)

    def _fresh(self, caller: Caller) -> Catalog | None:
        catalog, built = self.current(caller), caller.client.view
        return catalog if built is not None and asyncio.get_running_loop().time() < built.expires else None

    async def with_news(self, caller: Caller, may_have: Callable[[str], bool]) -> Catalog:
        """As `view`, waiting only for backends that may have what is looked for."""
        return await self._built(
            caller, lambda entry: self._listings.needs_fetch(entry) and may_have(entry.member.name)
        )

    async def for_call(self, caller: Caller) -> Catalog:
        """The caller's catalog to route by: a listing that is out of date, or could not be had, is not waited for.

        Else a backend that changes its lists all the time and is slow to tell them, or one that hangs whenever it
        is asked again, would slow down the calls to all the others.
        """
        return await self._built(caller, self._is_worth_the_wait)

    def _is_worth_the_wait(self, entry: Entry) -> bool:
        return entry.listing is None and entry.failure is None and self._listings.needs_fetch(entry)

    async def _built(
        self, caller: Caller, needs_fetch: Callable[[Entry], bool], *, is_patient: bool = False
    ) -> Catalog:
        """The catalog as it is once what needs to be fetched is there.

        What has given way is always asked for. Who is patient waits for that as long as a call may take: it is known
        that there is something, and no client should hear that it has gone. A call that waits no longer has shown its
        client nothing: what it was routed by is not the client's view, and who lists meanwhile waits all the same.
        """

        def may_come(entry: Entry) -> bool:
            return entry.is_dropped and needs(entry)

        needs = self._listings.needs_list if is_patient else self._listings.needs_fetch
        held: list[Listing | None] = []
        for _ in range(_MOST_ROUNDS):
            members, looks = self._members, self._listings.looks
            reach = self._reach_of(caller.identity)
            entries = self._entries(caller, reach)
            # Nothing of it gives way from here on: this holds it.
            held += [entry.former for entry in entries.values()]
            missing = [entry for entry in entries.values() if needs_fetch(entry) or may_come(entry)]
            if missing:
                held += await self._fetch_all(missing, caller, is_patient=is_patient)
            if self._members is members and (
                not missing or (self._entries(caller, reach) == entries and not any(map(may_come, entries.values())))
            ):
                break
            # The config was replaced meanwhile, and what has been fetched belongs to the former members; or it is known
            # only now in which protocols a backend speaks to whom; or a newer listing has come and given way.
        epoch = self.epoch
        catalog = self._merged(entries, reach)
        is_view = is_patient or not any(entry.is_dropped for entry in entries.values())
        if is_view:
            for entry in entries.values():
                entry.note_absence()
        expires = min((self._listings.asks_again_at(entry) for entry in entries.values()), default=math.inf)
        cacheable = cacheable_of(entries, is_whole=reach is None)
        found = ref(catalog) if is_view else None
        caller.client.view = BuiltView(found, caller.identity, caller.snapshot, epoch, expires, looks, cacheable)
        return catalog

    def _reach_of(self, identity: Identity | None) -> frozenset[str] | None:
        """The backends within reach of a caller, withheld ones included; None for all, as the proxy sees them."""
        return None if identity is None else self._reach.of(identity, (*self._members, *self._withheld))

    def _within(self, reach: frozenset[str] | None) -> Members:
        return {name: member for name, member in self._members.items() if reach is None or name in reach}

    def within_reach(self, identity: Identity) -> Members:
        """The members of which the caller can have anything."""
        return self._within(self._reach_of(identity))

    def _entries(self, caller: Caller, reach: frozenset[str] | None) -> dict[str, Entry]:
        client, snapshot = caller.client, caller.snapshot
        headers = self._digests.of_headers(snapshot.narrowed(())) if len(snapshot) else ""
        entries: dict[str, Entry] = {}
        whose = ""
        for name, member in self._within(reach).items():
            if member.is_personal:
                whose = whose or self._digests.of_identity(caller.identity)
                scope = self._personal_scope(member, caller, whose)
            else:
                scope = Scope(_audience(member, client), headers if member.backend.takes_headers else "")
            entries[name] = self._listings.entry(member, scope)
        return entries

    def _personal_scope(self, member: Member, caller: Caller, whose: str) -> Scope:
        snapshot = caller.snapshot
        refused = member.refusal(caller.identity, snapshot)
        headers = refused or self._digests.of_headers(snapshot.narrowed(member.relayed))
        return Scope(_audience(member, caller.client), headers, whose)

    def silent(self, caller: Caller) -> dict[str, Outcome]:
        """The backends of which it is not known what they offer this caller, and why."""
        reach = self._reach_of(caller.identity)
        return self._silent_of(self._entries(caller, reach), reach)

    def _silent_of(self, entries: Mapping[str, Entry], reach: frozenset[str] | None) -> dict[str, Outcome]:
        silent = {name: outcome_of(entry) for name, entry in entries.items() if entry.is_silent}
        return silent | self._withheld_from(reach)

    def _withheld_from(self, reach: frozenset[str] | None) -> dict[str, Outcome]:
        return {name: outcome for name, outcome in self._withheld.items() if reach is None or name in reach}

    async def answered(self, caller: Caller, names: Collection[str], until: float) -> bool:
        """Waits for the next listing from one of these backends, on its way or soon asked for again, up to a loop time.

        A backend that is up and was too slow is asked again after its pause, for a call could have taken as long.
        Returns False where there is none to wait for any more, or none in time.
        """
        entries = self._entries(caller, self._reach_of(caller.identity))
        silent = [entry for name, entry in entries.items() if name in names]
        tasks = [entry.task for entry in silent if entry.task is not None]
        again = min((entry.due_at for entry in silent if entry.task is None and entry.is_slow), default=math.inf)
        now = asyncio.get_running_loop().time()
        if now >= until or not (tasks or again < until):
            return False
        seconds = min(again, until) - now
        if not tasks:
            await asyncio.sleep(seconds)
            return True
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done) or again < until

    def scope_for(self, member: Member, client: ClientContext) -> Scope:
        """The scope of what one backend lists for this client, with the headers and the caller of its present view."""
        view = client.view
        if view is None or not member.backend.takes_headers:
            return Scope(_audience(member, client))
        if member.is_personal:
            caller = Caller(view.identity, client, view.snapshot)
            return self._personal_scope(member, caller, self._digests.of_identity(view.identity))
        return Scope(_audience(member, client), self._digests.of_headers(view.snapshot.narrowed(())))

    def shared(self, identity: Identity | None = None) -> Catalog:
        """What the proxy itself sees, as far as it is known now: all of it, or what is within reach of a caller."""
        reach = self._reach_of(identity)
        return self._merged(self._shared_entries(reach), reach)

    def current_shared(self) -> Catalog:
        """The same for calls: what the proxy itself sees, made again once something has changed, as `current` has it.

        To find out what `shared` is takes longer with each backend.
        """
        kept = self._shared_as_of
        if kept is not None and kept[0] == self.epoch and (catalog := kept[1]()) is not None:
            return catalog
        catalog = self.shared()
        self._shared_as_of = self.epoch, ref(catalog)
        return catalog

    def shared_silent(self, identity: Identity | None = None) -> dict[str, Outcome]:
        """As `silent`, for the proxy itself."""
        reach = self._reach_of(identity)
        return self._silent_of(self._shared_entries(reach), reach)

    def traced(self, kind: Kind, names: Collection[str], identity: Identity | None = None) -> tuple[Traced, ...]:
        """What became of the entries of these names on their way into `shared`, those of unserved backends last.

        Entries of backends that are not within reach stand at the end, as if each of these were alone: what else has
        their names is not why the caller lacks them.
        """
        reach = self._reach_of(identity)
        found = self._listed(self._shared_entries(reach)).traced(self._aggregation, kind, names)
        if reach is None:
            return found
        outside = ({name: entry} for name, entry in self._shared_entries(None).items() if name not in reach)
        apart = (self._listed(alone).traced(self._aggregation, kind, names) for alone in outside)
        return (*found, *itertools.chain.from_iterable(apart))

    def _shared_entries(self, reach: frozenset[str] | None) -> dict[str, Entry]:
        return {name: self._listings.entry(member, SHARED) for name, member in self._within(reach).items()}

    async def _fetch_all(self, missing: list[Entry], caller: Caller, *, is_patient: bool) -> list[Listing | None]:
        """What has been read: whoever asked holds it."""
        bounds = self.bounds
        if bounds is None:
            return []
        async with asyncio.TaskGroup() as group:
            fetches = [
                group.create_task(self._fetch_one(entry, caller, bounds, is_patient=is_patient)) for entry in missing
            ]
        return [fetch.result() for fetch in fetches]

    async def _fetch_one(self, entry: Entry, caller: Caller, bounds: Bounds, *, is_patient: bool) -> Listing | None:
        member, client = entry.member, caller.client
        credentials = client.credentials_for(member, caller.identity, caller.snapshot)
        if isinstance(credentials, Collision):
            self._listings.refused(entry, member.collision(credentials), asyncio.get_running_loop().time())
            return None
        link = self._links.of(member) if entry.is_shared else client.link(member)
        presented = member.own_credentials if entry.is_shared else credentials
        # A handshake that hangs is given up soon and begun anew; one that is only slow has more time at each attempt.
        # What the proxy itself is told, its probes wait for.
        handshake = bounds.handshake * (1.0 if entry.is_shared else 2.0 ** min(entry.failures, 10))
        try:
            async with asyncio.timeout(None if is_patient and entry.is_dropped else bounds.listing):
                return await self._listings.refresh(
                    entry, lambda: fetch_listing(member.name, link, presented, bounds, handshake)
                )
        except TimeoutError:
            entry.is_overdue = True
            self.deadlines_missed[member.name] += 1
            return None

    def _merged(self, entries: dict[str, Entry], reach: frozenset[str] | None) -> Catalog:
        outcomes = {name: outcome_of(entry) for name, entry in entries.items()} | self._withheld_from(reach)
        listed = self._listed(entries)
        key = (*listed.digests, *outcomes.items())
        catalog = self._catalogs.get(key)
        if catalog is None:
            catalog = self._catalogs[key] = listed.merged(self._aggregation, outcomes)
        private = [entry.former for entry in entries.values() if not entry.is_shared]
        if reach is None and not private:
            self._own = catalog
        elif catalog is not self._own:
            # With what counts no longer, too: whose a name is stays known as long as the caller comes.
            self._budget.keep(catalog, *(listing for listing in private if listing is not None))
        return catalog

    def _listed(self, entries: Mapping[str, Entry]) -> GroupListings:
        return GroupListings(
            {name: self._listings.shown(entry) for name, entry in entries.items()},
            {name: self._listings.known(entry) for name, entry in entries.items()},
        )


def _audience(member: Member, client: ClientContext) -> str:
    """Stands for what a backend hears of a client: the protocol too, where the proxy itself is answered in another."""
    era = client.terms.era
    return f"{era.value}:{client.audience}" if member.backend.is_apart(era) else client.audience


def _is_for(built: BuiltView, caller: Caller) -> bool:
    """Whether a view holds for the caller: identities are equal whatever their tokens are for, views are not."""
    was, now = built.identity, caller.identity
    is_same = was is now or (was == now and was.grant == now.grant)
    return is_same and (built.snapshot is caller.snapshot or built.snapshot == caller.snapshot)
