"""One call's way to the backend that owns what it names."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import CANCELLED, BackendError, Category, CircuitOpenError
from vmcp_proxy.backends.interface import UNTRACED
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.calls.invalidation import Changes
from vmcp_proxy.core.calls.receivers import CallReceiver
from vmcp_proxy.core.calls.replies import name_bound, unavailable, unknown
from vmcp_proxy.core.calls.spans import CallObserver
from vmcp_proxy.core.calls.traced import begin_call, end_call
from vmcp_proxy.core.catalog.arguments import apply_arguments
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.ui_pages import SCHEME
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.members.circuit import Permit, Refused
from vmcp_proxy.core.members.feedback import Asked, answered, failed
from vmcp_proxy.core.members.member import Bounds, Member
from vmcp_proxy.core.outcomes import RawFailure, Reply, Result
from vmcp_proxy.core.owners.handed_out import may_hand_out, names_page, rename_links, uris_of
from vmcp_proxy.core.virtual import Caller, Exchange, Operation, Target
from vmcp_proxy.headerforward import Collision
from vmcp_proxy.observability.tracing.spans import ClientSpan
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Raw, Response
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import COMPLETION, Era
from vmcp_proxy.protocol.params import Members as RawMembers
from vmcp_proxy.protocol.params import former_result, inbound_result, parse_members, raw_text
from vmcp_proxy.protocol.versions import MODERN

_REFERENCE: Final = "ref"
_TOOL_CALL: Final = "tools/call"
_READ: Final = "resources/read"
_HANDING_OUT: Final = frozenset({_TOOL_CALL, "prompts/get"})


class Forwarder:
    """Sends calls to backends; every outcome feeds health and circuit of its backend."""

    def __init__(
        self, changes: Changes, hearing: Hearing, observer: CallObserver, on_health: Callable[[], None]
    ) -> None:
        self._changes: Final = changes
        self._hearing: Final = hearing
        self._observer: Final = observer
        self._on_health: Final = on_health
        self.bounds: Bounds | None = None

    async def forward(self, caller: Caller, target: Target, operation: Operation, exchange: Exchange) -> Reply:
        """The backend's answer, or ours where it gives none.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
        bounds, client = self.bounds, caller.client
        capability, member = target.capability, target.member
        credentials = client.credentials_for(member, caller.identity, caller.snapshot)
        name = capability.backend
        if isinstance(credentials, Collision):
            return unavailable(member.collision(credentials))
        if bounds is None:
            return unknown(operation)
        members = _members_for(operation, capability)
        link = client.link(member)
        now = asyncio.get_running_loop().time()
        permit = member.circuit.admit(now)
        if isinstance(permit, Refused):
            return unavailable(CircuitOpenError(name, permit.retry_after))
        inner = operation.inner
        if inner is None:
            deadline = Deadline.after(target.began, bounds.call(name), bounds.maximum)
        else:
            deadline = Deadline.after(target.began, min(inner.seconds, bounds.maximum))
        trace = operation.trace
        traced = None if trace is None else begin_call(trace, operation, capability, member)
        context = None if traced is None else traced.meta
        receiver = CallReceiver(
            client,
            member,
            members,
            exchange,
            deadline,
            self._changes,
            self._hearing,
            context,
            operation.log_level,
            is_inner=inner is not None,
        )
        exchange.routed(name, credentials)
        span = self._observer.begin(member, operation)
        began = time.perf_counter()
        outcome: str | None = CANCELLED
        answer: Response | None = None
        try:
            answer = await link.request(
                operation.method, receiver.params_for, credentials, deadline, receiver, traced or UNTRACED
            )
            outcome = None
        except BackendError as error:
            # What becomes of a call whose session has ended meanwhile says nothing of the backend.
            counted = BackendError(name, Category.ENDED) if link.closed else error
            outcome = counted.category.value
            self._failed(member, permit, counted, credentials)
            return unavailable(name_bound(error, deadline, bounds, inner, asyncio.get_running_loop().time()))
        except BaseException:
            member.circuit.abandoned(permit)
            raise
        finally:
            seconds = time.perf_counter() - began
            span.end(outcome, seconds)
            if isinstance(traced, ClientSpan):
                end_call(traced, outcome, answer, link.session, receiver.request_id)
                span.mark(outcome, seconds, traced.trace_id, traced.span_id)
            await receiver.close()
        if answered(member, permit, Asked.CALL, is_callers=credentials.is_callers):
            self._on_health()
        return _reply_of(answer, client, capability, operation.method, link.revision)

    def _failed(self, member: Member, permit: Permit, error: BackendError, credentials: Credentials) -> None:
        now = asyncio.get_running_loop().time()
        # A client that shows a wrong key must not make the backend look broken to everybody else.
        if failed(member, permit, error, Asked.CALL, now, is_callers=credentials.is_callers):
            self._on_health()


def clean_params(members: RawMembers, method: str) -> None:
    """Takes out what a lax backend would act by instead of what the call was judged by."""
    params.drop_lookalikes(members, params.PARAMS)
    if method == COMPLETION:
        reference = parse_members(members[_REFERENCE])
        if params.drop_lookalikes(reference, params.REFERENCE):
            members[_REFERENCE] = msgspec.Raw(params.encode_members(reference))


def _members_for(operation: Operation, capability: Capability) -> RawMembers:
    """The params as the backend gets them: its own name for the target, the arguments that are set for it."""
    members = operation.members
    clean_params(members, operation.method)
    name_target(members, operation, capability)
    if capability.arguments is not None and not operation.is_prepared:
        apply_arguments(members, capability.arguments)
    return members


def _reply_of(answer: Response, client: ClientContext, capability: Capability, method: str, revision: str) -> Reply:
    backend = capability.backend
    if answer.result is None:
        return RawFailure(answer.error or b"{}", backend)
    marks = answer.marks
    raw = inbound_result(answer.result, marks)
    if client.terms.era is Era.MODERN and revision != MODERN:
        # What a backend that knows of neither writes there is no type of a result, and no time to keep it.
        raw, marks = former_result(raw, marks, is_cached=method == _READ)
    if method == _READ or (method in _HANDING_OUT and may_hand_out(raw, marks)):
        raw = _with_owners(raw, client, capability, method)
    return Result(raw, backend, marks)


def _with_owners(raw: Raw, client: ClientContext, capability: Capability, method: str) -> Raw:
    """The result, with what it hands out noted for the client; pages get the URIs that clients know them by."""
    backend = capability.backend
    if method == _READ:
        is_renamed = capability.kind is Kind.RESOURCE and capability.exposed != capability.original
        return rename_links(raw, client.uri_of(backend)) if is_renamed else raw
    uris = uris_of(raw)
    if uris:
        client.note_handed_out(uris, backend)
    has_page = any(uri.startswith(SCHEME) for uri in uris) or names_page(raw)
    return rename_links(raw, client.uri_of(backend)) if has_page else raw


def name_target(members: RawMembers, operation: Operation, capability: Capability) -> None:
    """Puts the original name or URI in place of that which the client knows."""
    if operation.name == capability.original or capability.kind is Kind.TEMPLATE:
        return
    member = "uri" if capability.kind is Kind.RESOURCE else "name"
    if operation.method == COMPLETION:
        reference = parse_members(members[_REFERENCE])
        reference[member] = raw_text(capability.original)
        members[_REFERENCE] = msgspec.Raw(params.encode_members(reference))
    else:
        members[member] = raw_text(capability.original)
