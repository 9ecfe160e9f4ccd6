"""Asks everyone who decides on a name, in their order, and puts their answers together (ADR-0042)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from vmcp_api.pod_status import Health, StoreReport
from vmcp_api.spec.aggregation import Aggregation
from vmcp_api.spec.authorization import PolicyMode
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.operational import PartialFailureMode
from vmcp_api.text.suggest import suggest
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.calls.resolver import Resolver
from vmcp_proxy.core.calls.views import Views
from vmcp_proxy.core.catalog.capabilities import Capability, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.trace import Traced
from vmcp_proxy.core.explain.admission_step import Admitted, ask_about_template, ask_policies
from vmcp_proxy.core.explain.coming_in import notes_on_coming_in
from vmcp_proxy.core.explain.composites import Composites, CompositeView, chain_of, refusals_of_steps
from vmcp_proxy.core.explain.explanation import Chain, Conclusion, Explanation, Step, Verdict, conclude
from vmcp_proxy.core.explain.searched import Searches, with_search
from vmcp_proxy.core.explain.steps import (
    BackendState,
    backend_step,
    conflict_step,
    filter_step,
    group_step,
    limit_step,
    unlisted_step,
)
from vmcp_proxy.core.outcomes import Unlisted
from vmcp_proxy.core.policy.all_or_nothing import Served, refusal
from vmcp_proxy.core.policy.judge import only_shown, prepared, question_of
from vmcp_proxy.core.policy.questions import AllowAll, Question
from vmcp_proxy.core.policy.rate_limits import RateLimits
from vmcp_proxy.core.stack import CoreSettings
from vmcp_proxy.core.virtual import Composite, Operation, OwnNames, Resolved, Target
from vmcp_proxy.protocol.kinds import Kind

MOST_CHAINS: Final = 20

_METHODS: Final[Mapping[Kind, tuple[str, str]]] = MappingProxyType(
    {
        Kind.TOOL: ("tools/call", "name"),
        Kind.RESOURCE: ("resources/read", "uri"),
        Kind.PROMPT: ("prompts/get", "name"),
    }
)
"""What is asked about by kind: the method that uses it, and the member of the params that names it."""

KINDS: Final = tuple(_METHODS)
"""The kinds that can be asked about; templates are asked about by a URI."""


@dataclass(frozen=True, slots=True)
class Asked:
    """May this caller use what it knows by this name? `arguments` are JSON, None where the call is left open."""

    identity: Identity
    kind: Kind
    name: str
    arguments: bytes | None = None

    @property
    def operation(self) -> Operation:
        """The call that it is about."""
        return self.operation_on(self.name)

    def operation_on(self, name: str) -> Operation:
        """The same call by another name."""
        method, member = _METHODS[self.kind]
        params = {member: name, **({"arguments": msgspec.Raw(self.arguments)} if self.arguments is not None else {})}
        return Operation(method, self.kind, name, msgspec.Raw(msgspec.json.encode(params)))


class Explainer:
    """Explains by what the proxy itself sees, and never asks a backend.

    A list that a backend tells to one caller's headers or credentials alone is that caller's; who explains has none.
    `withheld` are the backends that cannot be served as they are configured, and why; `limit_store` is how
    the buckets of rate limits fare.
    """

    def __init__(
        self,
        views: Views,
        resolver: Resolver,
        served: Served,
        withheld: Callable[[], Mapping[str, str]],
        limit_store: Callable[[], StoreReport],
        composites: Composites,
        searches: Searches,
    ) -> None:
        self._views: Final = views
        self._resolver: Final = resolver
        self._served: Final = served
        self._withheld: Final = withheld
        self._limit_store: Final = limit_store
        self._composites: Final = composites
        self._searches: Final = searches
        self._settings = CoreSettings(AllowAll())
        self._limits: RateLimits | None = None
        self._aggregation = Aggregation()
        self._incoming = IncomingAuth(type=IncomingAuthType.ANONYMOUS)

    def configure(self, settings: CoreSettings, aggregation: Aggregation, incoming: IncomingAuth) -> None:
        """Takes over what the core follows from now on, and how callers come in."""
        self._settings = settings
        limits = settings.rate_limiting
        self._limits = None if limits is None else RateLimits(limits)
        self._aggregation = aggregation
        self._incoming = incoming

    def names(self, kind: Kind) -> tuple[str, ...]:
        """What can be asked about: all that clients are told of, and what filters hide."""
        catalog = self._views.shared()
        templates = catalog.templates if kind is Kind.RESOURCE else ()
        hidden = catalog.hidden if kind is Kind.TOOL else ()
        names = {each.exposed for each in (*catalog.of(kind), *templates, *hidden)}
        return tuple(sorted(names.union(self._composites.names if kind is Kind.TOOL else ())))

    async def explain(self, asked: Asked) -> Explanation:
        """The chain of what a call by this name is about, then those of entries that may have been meant."""
        catalog = self._views.shared(asked.identity)
        explained = await self._explain(asked, catalog)
        return with_search(explained, self._searches, catalog, self._settings.admitter, asked.identity)

    async def _explain(self, asked: Asked, catalog: Catalog) -> Explanation:
        notes = [*notes_on_coming_in(asked.identity, self._incoming), *self._unasked(asked)]
        if asked.kind is Kind.RESOURCE and catalog.find(Kind.RESOURCE, asked.name) is None:
            templates = self._views.traced(Kind.TEMPLATE, {asked.name}, asked.identity)
            if templates:
                return self._of_templates(asked, catalog, templates, notes)
        composite = self._composites.look_up(catalog, self._views.shared(), asked.name)
        if asked.kind is Kind.TOOL and composite is not None:
            return await self._of_composite(asked, composite, notes)
        resolved = self._resolver.look_up(asked.identity, asked.operation)
        if isinstance(resolved, OwnNames):
            notes.append("pages call the tools of their servers by the servers' own names")
            resolved = self._of_own_names(asked.identity, resolved)
        entries = list(self._entries(catalog, asked, resolved))
        chains = [await self._of_entry(asked, catalog, entry, name) for entry, name in entries[:MOST_CHAINS]]
        if len(entries) > MOST_CHAINS:
            notes.append(f"{len(entries) - MOST_CHAINS} more entries bear this name")
        if isinstance(resolved, Unlisted):
            silent = list(resolved.silent.items())[:MOST_CHAINS]
            chains = [await self._of_silent(asked, resolved, *each) for each in silent] + chains
        if not chains:
            known = {each.exposed for each in catalog.of(asked.kind)}
            notes.append(f"no backend lists this {asked.kind}; {suggest(asked.name, known, noun=f'{asked.kind}s')}")
        is_found = isinstance(resolved, Target | Unlisted) or any(asked.name == each.exposed for each in chains)
        return Explanation(
            kind=asked.kind,
            name=asked.name,
            issuer=asked.identity.issuer,
            subject=asked.identity.subject,
            conclusion=chains[0].conclusion if is_found else Conclusion.UNKNOWN,
            listed=isinstance(resolved, Target) and chains[0].listed,
            chains=tuple(chains),
            notes=tuple(notes),
            enforced=chains[0].enforced if is_found else None,
        )

    def _of_templates(
        self, asked: Asked, catalog: Catalog, templates: Sequence[Traced], notes: Sequence[str]
    ) -> Explanation:
        """A template by its own name, that lists show: the one that is served first, then those that lost the name."""
        chains = []
        for entry in sorted(templates, key=lambda each: not each.is_served)[:MOST_CHAINS]:
            admitted = ask_about_template(self._settings.admitter, asked.identity, entry.capability)
            chains.append(self._chain(catalog, entry, admitted))
        return Explanation(
            kind=Kind.TEMPLATE,
            name=asked.name,
            issuer=asked.identity.issuer,
            subject=asked.identity.subject,
            conclusion=chains[0].conclusion,
            listed=chains[0].listed,
            chains=tuple(chains),
            notes=tuple(notes),
            enforced=chains[0].enforced,
        )

    async def _of_composite(self, asked: Asked, view: CompositeView, notes: Sequence[str]) -> Explanation:
        """A composite tool: its name, its steps, the policies about itself and its limits."""
        admitter, admitted = self._settings.admitter, None
        if view.capability is not None:
            target = Composite(view.capability)
            question = question_of(asked.identity, prepared(asked.operation, target), target)
            admitted = await self._admission(asked, question)
        limit = limit_step(self._limits, self._limit_store(), Kind.TOOL, asked.name)
        refusals = await refusals_of_steps(view, admitter, asked.identity)
        chain = chain_of(view, asked.name, self._group(), admitted, limit, refusals)
        return Explanation(
            kind=asked.kind,
            name=asked.name,
            issuer=asked.identity.issuer,
            subject=asked.identity.subject,
            conclusion=chain.conclusion,
            listed=chain.listed,
            chains=(chain,),
            notes=tuple(notes),
            enforced=chain.enforced,
        )

    def _unasked(self, asked: Asked) -> Iterator[str]:
        """The backends that are not known yet and are not asked for this caller, with the reason (ADR-0044)."""
        everyone = self._views.shared_silent()
        for name in everyone.keys() - self._views.shared_silent(asked.identity).keys():
            yield f"backend {name!r} is not asked for this caller: policies could permit it nothing there"

    def _of_own_names(self, identity: Identity, resolved: OwnNames) -> Resolved:
        """As the layers do: under policies that bind the one that the caller may see, else the only one there is."""
        admitter = self._settings.admitter
        if admitter.mode is PolicyMode.ENFORCE:
            return only_shown(admitter, identity, resolved.targets)
        return resolved.targets[0] if len(resolved.targets) == 1 else None

    def _entries(self, catalog: Catalog, asked: Asked, resolved: Resolved) -> Iterator[tuple[Traced, str]]:
        """The entry that the call is about, then others of the name, those that want it as clients see it first.

        Each with the name that a call of it goes by.
        """
        target = resolved.capability if isinstance(resolved, Target) else None
        if target is not None:
            yield self._entry_of(catalog, asked, target), asked.name
        others = [
            each
            for each in self._views.traced(asked.kind, {asked.name}, asked.identity)
            if target is None
            or (each.capability.backend, each.capability.original) != (target.backend, target.original)
        ]
        others.sort(key=lambda each: asked.name not in (each.capability.exposed, each.wanted))
        yield from ((each, each.capability.exposed) for each in others)

    def _entry_of(self, catalog: Catalog, asked: Asked, capability: Capability) -> Traced:
        """How the catalog came by what a call is about; what no backend lists has come by nothing."""
        key = (capability.exposed, capability.backend, capability.original)
        for each in self._views.traced(capability.kind, {capability.exposed}, asked.identity):
            if key == (each.capability.exposed, each.capability.backend, each.capability.original):
                return each
        is_away = catalog.owner_of(asked.name) is None and capability.backend in catalog.missing
        return Traced(capability, capability.exposed, None, is_kept=True, setting=None, is_shown=True, is_away=is_away)

    async def _of_entry(self, asked: Asked, catalog: Catalog, entry: Traced, name: str) -> Chain:
        capability = entry.capability
        member = self._served.members[capability.backend]
        target = Target(capability, member, 0.0)
        question = question_of(asked.identity, prepared(asked.operation_on(name), target), target)
        return self._chain(catalog, entry, await self._admission(asked, question))

    def _chain(self, catalog: Catalog, entry: Traced, admission: Admitted) -> Chain:
        capability, group = entry.capability, self._group()
        state = self._state(capability.backend, self._views.shared().outcomes)
        before = (
            *group,
            backend_step(state, is_away=entry.is_away),
            conflict_step(entry, self._aggregation),
            filter_step(entry, self._aggregation),
        )
        limit = limit_step(self._limits, self._limit_store(), capability.kind, capability.exposed)
        steps = (*before, admission.step, limit)
        in_list = catalog.find(capability.kind, capability.exposed) if entry.is_served and not entry.is_away else None
        is_refused = bool(state.callers) or any(step.verdict is Verdict.STOP for step in group)
        return Chain(
            backend=capability.backend,
            original=capability.original,
            exposed=capability.exposed,
            conclusion=conclude(steps),
            listed=in_list is not None and admission.shown and not is_refused,
            steps=steps,
            enforced=conclude((*before, admission.enforced, limit)) if admission.enforced is not None else None,
        )

    async def _of_silent(self, asked: Asked, resolved: Unlisted, backend: str, outcome: Outcome) -> Chain:
        """A backend that may have the name; the policies are asked about the name alone, as for the call."""
        question = question_of(asked.identity, asked.operation, resolved)
        step = unlisted_step(self._state(backend, {backend: outcome}))
        before, admission = (*self._group(), step), await self._admission(asked, question)
        steps = (*before, admission.step)
        return Chain(
            backend=backend,
            original="",
            exposed=asked.name,
            conclusion=conclude(steps),
            listed=False,
            steps=steps,
            enforced=conclude((*before, admission.enforced)) if admission.enforced is not None else None,
        )

    async def _admission(self, asked: Asked, question: Question | None) -> Admitted:
        assert question is not None  # noqa: S101 - there is one for each kind that can be asked about
        return await ask_policies(self._settings.admitter, question, has_arguments=asked.arguments is not None)

    def _group(self) -> tuple[Step, ...]:
        if self._settings.partial_failure_mode is not PartialFailureMode.FAIL:
            return ()
        return (group_step(refusal(self._served.members, self._served.withheld)),)

    def _state(self, name: str, outcomes: Mapping[str, Outcome]) -> BackendState:
        member = self._served.members.get(name)
        outcome = outcomes.get(name, Outcome())
        if member is None:
            return BackendState(name, Health.UNKNOWN, withheld=self._withheld().get(name, outcome.message))
        health = member.health
        is_open = not member.circuit.is_closed
        return BackendState(
            name,
            health.state,
            health.told,
            is_open,
            outcome=outcome,
            is_personal=member.is_personal,
            callers=member.callers_trouble,
        )
