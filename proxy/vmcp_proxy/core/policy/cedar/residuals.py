"""What a policy may come to while something of the request is not known: arguments, hints, or which resource it is.

A policy's condition becomes a tree. What in it does not depend on the unknown is a probe, which Cedar itself evaluates;
the rest may come to anything. So what Cedar says is never guessed at, and a list hides nothing that some call reaches.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec
from cedarpy import PolicySet, pst

from vmcp_proxy.core.policy.cedar.entities import CLAIM, TYPE_ON
from vmcp_proxy.core.policy.cedar.patterns import (
    Pattern,
    covers_all,
    covers_all_after,
    covers_some,
    covers_some_after,
    pattern_of,
)
from vmcp_proxy.core.policy.cedar.policies import Policy, handle_of
from vmcp_proxy.core.policy.cedar.reads import ARGUMENT, NAMES, ORIGINAL, RESOURCE, Uid, children, path_to, reads_of
from vmcp_proxy.protocol.annotations import Annotations, hints_of

Outcomes: TypeAlias = int
TRUE: Final = 1
FALSE: Final = 2
ERROR: Final = 4
ANYTHING: Final = TRUE | FALSE | ERROR

HINTS: Final = frozenset(hints_of(Annotations(True, True, True, True)))  # noqa: FBT003 - every hint there is
"""What a tool may say of itself."""

_PREFIX: Final = "probe"
_TYPES: Final = frozenset(TYPE_ON.values())


class Unknown(msgspec.Struct, frozen=True):
    """What is not known of a request.

    `names` is which resource it is, `hints` what a tool says of itself and what its backend calls it, `arguments` all
    but those that are `given`.
    """

    names: bool = False
    hints: bool = False
    arguments: bool = False
    given: frozenset[str] = frozenset()


OF_CALLS: Final = Unknown(arguments=True)
OF_TEMPLATES: Final = Unknown(names=True)
"""Nothing that is read by URI has arguments."""

OF_NAMES: Final = Unknown(hints=True, arguments=True)
OF_BACKENDS: Final = Unknown(names=True, hints=True, arguments=True)


class Seen(msgspec.Struct, frozen=True):
    """What Cedar says of the probes: those that hold, and those that err with why.

    `text` is what is known of a name that is not: the template of which it is an expansion, or with `is_beginning`
    what it begins with.
    """

    holds: Collection[str]
    errs: Mapping[str, str]
    text: str = ""
    is_beginning: bool = False


class Known(msgspec.Struct, frozen=True):
    """A part that Cedar evaluates."""

    probe: str


class Maybe(msgspec.Struct, frozen=True):
    """A part that depends on the unknown; it errs for certain where a probe that it is made of does."""

    outcomes: Outcomes
    parts: tuple[str, ...] = ()


class Matches(msgspec.Struct, frozen=True):
    """Whether the name or URI fits a pattern, or what the backend itself calls it."""

    pattern: Pattern
    is_original: bool = False


class And(msgspec.Struct, frozen=True):
    """Cedar's `&&`, which does not look to the right of what is false."""

    left: "Condition"
    right: "Condition"


class Or(msgspec.Struct, frozen=True):
    """Cedar's `||`."""

    left: "Condition"
    right: "Condition"


class Not(msgspec.Struct, frozen=True):
    """Cedar's `!`."""

    inner: "Condition"


class If(msgspec.Struct, frozen=True):
    """Cedar's `if`."""

    test: "Condition"
    yes: "Condition"
    no: "Condition"


Condition: TypeAlias = Known | Maybe | Matches | And | Or | Not | If


class Residuals(msgspec.Struct, frozen=True):
    """The conditions of a set by policy, and the probes that they need, as policies of which each permits."""

    conditions: Mapping[str, Condition]
    probes: PolicySet

    def outcomes(self, seen: Seen) -> dict[str, Outcomes]:
        """What each policy may come to."""
        return {key: outcomes_of(condition, seen) for key, condition in self.conditions.items()}

    def why(self, key: str, seen: Seen) -> str:
        """Why a policy must fail: the first of its parts that does."""
        return next(filter(None, _errors_in(self.conditions[key], seen)), "")


class Possible(msgspec.Struct, frozen=True):
    """What each policy, by key, may come to."""

    residuals: Residuals
    seen: Seen

    @property
    def outcomes(self) -> dict[str, Outcomes]:
        """The outcomes, as bits."""
        return self.residuals.outcomes(self.seen)

    def why(self, key: str) -> str:
        """Why a policy fails that must."""
        return self.residuals.why(key, self.seen)


class Told(msgspec.Struct, frozen=True):
    """What the config tells of some resources: attributes, and whatever has anything below it by the config's word."""

    attributes: frozenset[str] = frozenset()
    parents: frozenset[Uid] = frozenset()


def build_residuals(policies: Iterable[Policy], unknown: Unknown, told: Told) -> Residuals:
    """The residuals where that is unknown; which of what is `told` holds of a resource is unknown where its name is."""
    compiler = _Compiler(unknown, told if unknown.names else Told())
    conditions = {policy.key: compiler.condition(condition_of(policy.node)) for policy in policies}
    return Residuals(conditions, compiler.handle())


def outcomes_of(condition: Condition, seen: Seen) -> Outcomes:  # noqa: PLR0911 - one for each kind of condition
    """The outcomes that are possible, as bits."""
    match condition:
        case Known(probe):
            return TRUE if probe in seen.holds else ERROR if probe in seen.errs else FALSE
        case Maybe(outcomes, parts):
            return ERROR if any(part in seen.errs for part in parts) else outcomes
        case Matches(pattern, is_original):
            # What names begin with here is no part of what backends call them.
            text = "" if is_original and seen.is_beginning else seen.text
            some, every = (covers_some_after, covers_all_after) if seen.is_beginning else (covers_some, covers_all)
            return (TRUE if some(pattern, text) else 0) | (0 if every(pattern, text) else FALSE)
        case Not(inner):
            found = outcomes_of(inner, seen)
            return (found & ERROR) | (FALSE if found & TRUE else 0) | (TRUE if found & FALSE else 0)
        case And(left, right):
            return _after(outcomes_of(left, seen), TRUE, right, seen)
        case Or(left, right):
            return _after(outcomes_of(left, seen), FALSE, right, seen)
        case If(test, yes, no):
            found = outcomes_of(test, seen)
            then = outcomes_of(yes, seen) if found & TRUE else 0
            return (found & ERROR) | then | (outcomes_of(no, seen) if found & FALSE else 0)


def _after(found: Outcomes, goes_on: Outcomes, right: Condition, seen: Seen) -> Outcomes:
    return (found & ~goes_on) | outcomes_of(right, seen) if found & goes_on else found


def _errors_in(condition: Condition, seen: Seen) -> Iterator[str]:
    match condition:
        case Known(probe):
            yield seen.errs.get(probe, "")
        case Maybe(_, parts):
            yield from (seen.errs.get(part, "") for part in parts)
        case Not(inner):
            yield from _errors_in(inner, seen)
        case And(left, right) | Or(left, right):
            yield from _errors_in(left, seen)
            yield from _errors_in(right, seen)
        case If(test, yes, no):
            for each in (test, yes, no):
                yield from _errors_in(each, seen)
        case Matches():
            pass


def condition_of(node: pst.Template) -> pst.Expr:
    """The scope and the clauses of a policy as one expression, in the order in which Cedar looks at them."""
    parts: list[pst.Expr] = [
        *_scope(pst.Var("principal"), node.principal),
        *_action(node.action),
        *_scope(RESOURCE, node.resource),
        *(each.expr if isinstance(each, pst.When) else pst.UnaryOp("not", each.expr) for each in node.clauses),
    ]
    # As a clause of its own: alone, an expression that is no truth value has to err as it does in the policy.
    whole: pst.Expr = pst.BoolLit(value=True)
    for part in parts:
        whole = pst.BinaryOp("and", whole, part)
    return whole


def _scope(var: pst.Var, constraint: pst.PrincipalOrResourceConstraint) -> Iterator[pst.Expr]:
    match constraint:
        case pst.ScopeEq(pst.EntityUid() as uid):
            yield pst.BinaryOp("eq", var, pst.EntityLit(uid))
        case pst.ScopeIn(pst.EntityUid() as uid):
            yield pst.BinaryOp("in", var, pst.EntityLit(uid))
        case pst.ScopeIs(kind):
            yield pst.Is(var, kind, None)
        case pst.ScopeIsIn(kind, pst.EntityUid() as uid):
            yield pst.Is(var, kind, None)
            yield pst.BinaryOp("in", var, pst.EntityLit(uid))


def _action(constraint: pst.ActionConstraint) -> Iterator[pst.Expr]:
    match constraint:
        case pst.ActionEq(uid):
            yield pst.BinaryOp("eq", pst.Var("action"), pst.EntityLit(uid))
        case pst.ActionIn(uids):
            yield pst.BinaryOp("in", pst.Var("action"), pst.Set(tuple(pst.EntityLit(uid) for uid in uids)))


class _Compiler:
    def __init__(self, unknown: Unknown, told: Told) -> None:
        self._unknown = unknown
        self._parents = told.parents
        hints = HINTS if unknown.hints else frozenset[str]()
        self._presences = told.attributes | hints
        self._attributes = self._presences | (NAMES if unknown.names else {ORIGINAL} if unknown.hints else frozenset())
        self._probes: dict[pst.Expr, str] = {}

    def handle(self) -> PolicySet:
        """The probes so far."""
        return handle_of(
            [
                pst.Template(name, "permit", pst.ScopeAny(), pst.ScopeAny(), pst.ScopeAny(), (pst.When(expr),), {})
                for expr, name in self._probes.items()
            ]
        )

    def condition(self, expr: pst.Expr) -> Condition:
        """The tree of one expression that stands for a truth value."""
        if not self._is_open(expr):
            return Known(self._probe(expr))
        match expr:
            case pst.BinaryOp("and", left, right):
                return And(self.condition(left), self.condition(right))
            case pst.BinaryOp("or", left, right):
                return Or(self.condition(left), self.condition(right))
            case pst.UnaryOp("not", inner):
                return Not(self.condition(inner))
            case pst.IfThenElse(test, yes, no):
                return If(self.condition(test), self.condition(yes), self.condition(no))
            case _:
                return (self._about_name(expr) if self._unknown.names else None) or self._maybe(expr)

    def _about_name(self, expr: pst.Expr) -> Condition | None:  # noqa: PLR0911 - one for each way to ask
        """What asks for the name or URI of the resource itself, in one of the usual ways."""
        match expr:
            case pst.Like(pst.GetAttr(pst.Var("resource"), attr), pattern) if attr in NAMES:
                return Matches(pattern_of(pattern), attr == ORIGINAL)
            case pst.BinaryOp("not_eq", left, right):
                equal = self._about_name(pst.BinaryOp("eq", left, right))
                return None if equal is None else Not(equal)
            case pst.BinaryOp("eq", pst.GetAttr(pst.Var("resource"), attr), pst.StringLit(text)) | pst.BinaryOp(
                "eq", pst.StringLit(text), pst.GetAttr(pst.Var("resource"), attr)
            ) if attr in NAMES:
                return Matches(tuple(text), attr == ORIGINAL)
            case pst.BinaryOp("eq", pst.Var("resource"), pst.EntityLit(uid)) | pst.BinaryOp(
                "eq", pst.EntityLit(uid), pst.Var("resource")
            ):
                return self._is(uid)
            case pst.BinaryOp("in", pst.Var("resource"), pst.EntityLit(uid)):
                return self._within(uid)
            case pst.BinaryOp("in", pst.Var("resource"), pst.Set(elements)):
                uids = [element.value for element in elements if isinstance(element, pst.EntityLit)]
                if len(uids) < len(elements):
                    return None
                found: Condition = Maybe(FALSE)
                for uid in uids:
                    found = Or(found, self._within(uid))
                return found
            case pst.Is(pst.Var("resource"), kind, pst.EntityLit(uid)):
                return And(Known(self._probe(pst.Is(RESOURCE, kind, None))), self._within(uid))
            case _:
                return None

    def _within(self, uid: pst.EntityUid) -> Condition:
        """Whether the resource is an entity or below it: by its vMCP and backend, or by what the config says of it."""
        known = Known(self._probe(pst.BinaryOp("in", RESOURCE, pst.EntityLit(uid))))
        told = Maybe(TRUE | FALSE if (str(uid.type), uid.id) in self._parents else FALSE)
        return Or(known, Or(self._is(uid), told))

    def _maybe(self, expr: pst.Expr) -> Condition:
        parts = tuple(self._probe(pst.BinaryOp("eq", part, part)) for part in self._certain(expr))
        return Maybe(TRUE | FALSE if isinstance(expr, pst.HasAttr) else ANYTHING, parts)

    def _certain(self, expr: pst.Expr) -> Iterator[pst.Expr]:
        """The known parts of an open expression that are evaluated whatever the unknown is."""
        match expr:
            case pst.BinaryOp("and" | "or", left, _):
                operands: tuple[pst.Expr, ...] = (left,)
            case pst.BinaryOp(_, left, right):
                operands = (left, right)
            case pst.IfThenElse(test, _, _):
                operands = (test,)
            case pst.UnaryOp(_, arg):
                operands = (arg,)
            case pst.Like(base, _) | pst.GetAttr(base, _) | pst.HasAttr(base, _) | pst.Is(base, _, None):
                operands = (base,)
            case _:
                return
        for operand in operands:
            if self._is_open(operand):
                yield from self._certain(operand)
            elif not isinstance(operand, pst.Var | pst.BoolLit | pst.LongLit | pst.StringLit | pst.EntityLit):
                yield operand

    def _is(self, uid: pst.EntityUid) -> Condition:
        """Whether the resource is this very entity, which what is called, got or read has to be of the type of."""
        if str(uid.type) not in _TYPES:
            return Maybe(FALSE)
        return And(Known(self._probe(pst.Is(RESOURCE, uid.type, None))), Matches(tuple(uid.id)))

    def _is_open(self, expr: pst.Expr) -> bool:
        unknown = self._unknown
        reads = reads_of((expr,)) if unknown.arguments else None
        if reads is not None and (reads.whole or not reads.arguments <= unknown.given):
            return True
        return (unknown.names or unknown.hints) and self._reads_unknown(expr)

    def _reads_unknown(self, node: object) -> bool:  # noqa: PLR0911 - one for each way to read
        """Whether it counts what is not known of the resource, and not only its type, backend and vMCP."""
        match node:
            case pst.GetAttr(pst.Var(root), attr):
                return root == "resource" and attr in self._attributes
            case pst.HasAttr(pst.Var(root), attrs):
                # It has a name, whichever it is.
                return root == "resource" and attrs[0] in self._presences
            case pst.Is(pst.Var("resource"), _, None):
                return False
            case pst.GetAttr(base, attr) if attr in self._attributes and _may_be_resource(base):
                return True
            case pst.HasAttr(base, attrs) if attrs[0] in self._presences and _may_be_resource(base):
                return True
            case _ if node == RESOURCE:
                return self._unknown.names
            case _:
                return any(self._reads_unknown(child) for child in children(node))

    def _probe(self, expr: pst.Expr) -> str:
        return self._probes.setdefault(expr, f"{_PREFIX}{len(self._probes)}")


def _may_be_resource(node: object) -> bool:
    """Whether it may be the resource by another way; claims and arguments are no entities."""
    _, path = path_to(node)
    return not path or not path[0].startswith((CLAIM, ARGUMENT))
