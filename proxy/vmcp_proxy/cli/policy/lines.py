"""Lines of an audit log as calls that other policies can judge; what a line does not say is not made up."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.auth.decision import ALLOW, DENY
from vmcp_proxy.auth.identity import ANONYMOUS_ISSUER, LOCAL_ISSUER, Identity
from vmcp_proxy.core.catalog.ui_pages import parse_own_uri
from vmcp_proxy.core.policy.cedar.replay import RecordedCall
from vmcp_proxy.core.policy.questions import ACTION_ON, Action
from vmcp_proxy.core.policy.rate_limit import LAYER
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.masking import MASK
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, annotations_of
from vmcp_proxy.protocol.methods import METHODS, Handling

_CUT: Final = "…"
_CALLS: Final = frozenset({Handling.CALL, Handling.SUBSCRIPTION})
_WITHOUT_TOKEN: Final = frozenset({ANONYMOUS_ISSUER, LOCAL_ISSUER})


class Skipped(StrEnum):
    """Why a line is not about a call that policies could judge."""

    NO_AUDIT = "no line of the audit log"
    OTHER = "about no call of a name"
    NOBODYS = "about a name that nothing bears"


class Recorded(msgspec.Struct, frozen=True):
    """One call of a line: of which endpoint, and whether it was let through.

    Equal keys are of calls that policies cannot tell apart.
    """

    server: str
    call: RecordedCall
    before: str
    key: tuple[object, ...]


class _Subject(msgspec.Struct):
    issuer: str
    subject: str


class _Target(msgspec.Struct):
    method: str = ""
    name: str = ""


class _Decision(msgspec.Struct):
    outcome: str
    mode: str = PolicyMode.ENFORCE
    action: str = ""
    resource: str = ""
    original: str | None = None
    backend: str = ""
    annotations: dict[str, bool] | None = None
    claims: dict[str, Any] | None = None
    arguments: dict[str, msgspec.Raw] | None = None
    masked: tuple[str, ...] = ()


class _Line(msgspec.Struct):
    log: str = ""
    outcome: str = ""
    component: str = ""
    subject: _Subject | None = None
    target: _Target = msgspec.field(default_factory=_Target)
    backend: str = ""
    rejected_by: str = ""
    decision: _Decision | None = None


_decode: Final = msgspec.json.Decoder(_Line).decode


def read_line(raw: bytes, *, with_arguments: bool) -> Recorded | Skipped:
    """The call of a line; without arguments where no policy reads any."""
    try:
        line = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Skipped.NO_AUDIT
    if line.log != "audit":
        return Skipped.NO_AUDIT
    method = METHODS.get(line.target.method)
    if line.subject is None or method is None or method.handling not in _CALLS or not method.kind:
        return Skipped.OTHER
    # What was asked too often had been decided on before, where policies were asked.
    if line.rejected_by and (line.rejected_by != LAYER or line.decision is None):
        return Skipped.OTHER
    if line.decision is None or not line.decision.action:
        # Nobody asked policies: what is known is who called what.
        action, name = ACTION_ON[method.kind], _judged(line.target.name)
        told = _Decision(
            DENY if line.outcome == Outcome.DENIED else ALLOW, PolicyMode.ENFORCE, action, name, None, line.backend
        )
        return _recorded(line, line.subject, told, with_arguments=with_arguments)
    return _recorded(line, line.subject, line.decision, with_arguments=with_arguments)


def _recorded(line: _Line, subject: _Subject, told: _Decision, *, with_arguments: bool) -> Recorded | Skipped:
    # A tool of the proxy's own has no backend, but a name of its own.
    if not told.backend and told.original is None:
        return Skipped.NOBODYS
    if told.action not in set(Action) or not (_is_whole(told.resource) and _is_whole(told.original or "")):
        return Skipped.OTHER
    before = ALLOW if told.outcome == ALLOW or told.mode == PolicyMode.SHADOW else DENY
    claims, known = _claims(subject, told.claims)
    arguments = msgspec.json.encode(told.arguments) if with_arguments and told.arguments is not None else None
    annotations = NO_ANNOTATIONS if told.annotations is None else annotations_of(told.annotations)
    # A decision says what the tool says of itself, if it says anything.
    has_annotations = told is line.decision
    original = told.resource if told.action == Action.READ_RESOURCE else told.original
    call = RecordedCall(
        Identity(subject.issuer, subject.subject, subject.issuer not in _WITHOUT_TOKEN, claims=claims),
        Action(told.action),
        told.resource,
        original,
        told.backend,
        annotations,
        arguments,
        known,
        frozenset(told.masked),
        told.arguments is not None,
        has_annotations,
    )
    server = line.component.rpartition("/")[2]
    written = msgspec.json.encode((claims, None if known is None else sorted(known)), order="sorted")
    caller = (subject.issuer, subject.subject, written)
    target = (told.action, told.resource, original, told.backend, annotations, has_annotations)
    given = (arguments, told.arguments is not None, told.masked)
    return Recorded(server, call, before, (server, before, caller, target, given))


def _claims(subject: _Subject, written: Mapping[str, Any] | None) -> tuple[dict[str, Any], frozenset[str] | None]:
    """What is known of the caller's claims, and the names of all that is known; None: everything."""
    if subject.issuer in _WITHOUT_TOKEN:
        return {}, None
    found = {**(written or {}), "sub": subject.subject, "iss": subject.issuer}
    return {name: value for name, value in found.items() if value is not None}, frozenset(found)


def _is_whole(name: str) -> bool:
    """Whether it is what was asked for: the audit shortens names, and hides secrets in them."""
    return not name.endswith(_CUT) and MASK not in name


def _judged(name: str) -> str:
    """What policies know it by: a page that has a URI of ours by its own."""
    own = parse_own_uri(name)
    return name if own is None else own[1]
