"""What a policy may come to while something of the request is not known: arguments, or which expansion is read.

A policy's condition becomes a tree. What in it does not depend on the unknown is a probe, which Cedar itself evaluates;
the rest may come to anything. So what Cedar says is never guessed at, and a list hides nothing that some call reaches.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec
from cedarpy import PolicySet, pst

from vmcp_proxy.core.policy.cedar.patterns import Pattern, covers_all, covers_some, pattern_of
from vmcp_proxy.core.policy.cedar.policies import Policy, handle_of
from vmcp_proxy.core.policy.cedar.reads import NAMES, RESOURCE, children, reads_of

Outcomes: TypeAlias = int
TRUE: Final = 1
FALSE: Final = 2
ERROR: Final = 4
ANYTHING: Final = TRUE | FALSE | ERROR

_PREFIX: Final = "probe"
_RESOURCE_TYPE: Final = "Resource"


class Seen(msgspec.Struct, frozen=True):
    """What Cedar says of the probes: those that hold and those that err; `template` is what is expanded, if any."""

    holds: Collection[str]
    errs: Collection[str]
    template: str = ""


class Known(msgspec.Struct, frozen=True):
    """A part that Cedar evaluates."""

    probe: str


class Maybe(msgspec.Struct, frozen=True):
    """A part that depends on the unknown; it errs for certain where a probe that it is made of does."""

    outcomes: Outcomes
    parts: tuple[str, ...] = ()


class Matches(msgspec.Struct, frozen=True):
    """Whether the URI that is read fits a pattern."""

    pattern: Pattern


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


def build_residuals(policies: Iterable[Policy], *, of_templates: bool, told: frozenset[str]) -> Residuals:
    """The residuals where arguments are unknown, or for templates the URI that is read.

    `told` are attributes that some resource has by the entities of the config: of a template they are unknown.
    """
    compiler = _Compiler(of_templates=of_templates, told=told)
    conditions = {policy.key: compiler.of_policy(policy) for policy in policies}
    return Residuals(conditions, compiler.handle())


def outcomes_of(condition: Condition, seen: Seen) -> Outcomes:  # noqa: PLR0911 - one for each kind of condition
    """The outcomes that are possible, as bits."""
    match condition:
        case Known(probe):
            return TRUE if probe in seen.holds else ERROR if probe in seen.errs else FALSE
        case Maybe(outcomes, parts):
            return ERROR if any(part in seen.errs for part in parts) else outcomes
        case Matches(pattern):
            some, every = covers_some(pattern, seen.template), covers_all(pattern, seen.template)
            return (TRUE if some else 0) | (0 if every else FALSE)
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
    def __init__(self, *, of_templates: bool, told: frozenset[str]) -> None:
        self._of_templates = of_templates
        self._told = told
        self._probes: dict[pst.Expr, str] = {}

    def handle(self) -> PolicySet:
        """The probes so far."""
        return handle_of(
            [
                pst.Template(name, "permit", pst.ScopeAny(), pst.ScopeAny(), pst.ScopeAny(), (pst.When(expr),), {})
                for expr, name in self._probes.items()
            ]
        )

    def of_policy(self, policy: Policy) -> Condition:
        """The tree of one policy; that of most is a single probe."""
        whole = condition_of(policy.node)
        is_known = not self._of_templates and not policy.reads.open
        return Known(self._probe(whole)) if is_known else self.condition(whole)

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
                return (self._about_uri(expr) if self._of_templates else None) or self._maybe(expr)

    def _about_uri(self, expr: pst.Expr) -> Condition | None:  # noqa: PLR0911 - one for each way to ask
        """What asks for the URI of the resource itself, in one of the usual ways."""
        match expr:
            case pst.Like(pst.GetAttr(pst.Var("resource"), attr), pattern) if attr in NAMES:
                return Matches(pattern_of(pattern))
            case pst.BinaryOp("not_eq", left, right):
                equal = self._about_uri(pst.BinaryOp("eq", left, right))
                return None if equal is None else Not(equal)
            case pst.BinaryOp("eq", pst.GetAttr(pst.Var("resource"), attr), pst.StringLit(text)) | pst.BinaryOp(
                "eq", pst.StringLit(text), pst.GetAttr(pst.Var("resource"), attr)
            ) if attr in NAMES:
                return Matches(tuple(text))
            case pst.BinaryOp("eq", pst.Var("resource"), pst.EntityLit(uid)) | pst.BinaryOp(
                "eq", pst.EntityLit(uid), pst.Var("resource")
            ):
                return _is(uid)
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
        told = Maybe(TRUE | FALSE) if self._told else Maybe(FALSE)
        return Or(known, Or(_is(uid), told))

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

    def _is_open(self, expr: pst.Expr) -> bool:
        # Nothing that is read by URI has arguments.
        return _reads_resource(expr, self._told) if self._of_templates else reads_of((expr,)).open

    def _probe(self, expr: pst.Expr) -> str:
        return self._probes.setdefault(expr, f"{_PREFIX}{len(self._probes)}")


def _is(uid: pst.EntityUid) -> Condition:
    return Matches(tuple(uid.id)) if str(uid.type) == _RESOURCE_TYPE else Maybe(FALSE)


def _reads_resource(node: object, told: frozenset[str]) -> bool:
    """Whether it counts which resource it is, and not only of what type, backend and vMCP."""
    match node:
        case pst.GetAttr(pst.Var("resource"), attr):
            return attr in NAMES or attr in told
        case pst.HasAttr(pst.Var("resource"), attrs):
            # It has a name and a URI, whichever they are.
            return attrs[0] in told
        case pst.Is(pst.Var("resource"), _, None):
            return False
        case _:
            return node == RESOURCE or any(_reads_resource(child, told) for child in children(node))
