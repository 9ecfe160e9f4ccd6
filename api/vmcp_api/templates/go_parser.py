"""The Go form (text/template), as far as values that JSON knows have use for it."""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final

from vmcp_api.templates.errors import TemplateError
from vmcp_api.templates.functions import takes
from vmcp_api.templates.go_functions import GO_FUNCTIONS
from vmcp_api.templates.go_tokens import Action, TextPart, Token, literal_of, split
from vmcp_api.templates.nodes import And, Call, Dot, Expression, Literal, Member, Not, Or, Scope, Variable
from vmcp_api.templates.statements import Assign, Body, Branches, Leave, Loop, Output, Statement, Text, With

MOST_LEVELS: Final = 50
"""How deep blocks and brackets may be nested."""

_UNSUPPORTED: Final = frozenset({"define", "template", "block"})
_WORDS: Final = {"true": True, "false": False, "nil": None}
_ENDS: Final = frozenset({"end", "else"})


def parse_go(text: str) -> Body:
    """The statements of a template in the Go form.

    Raises:
        TemplateError: it cannot be read.
    """
    return _Blocks(text).whole()


class _Blocks:
    """Reads statements up to the `end` or `else` of their block; `dots` counts the blocks that have their own dot."""

    def __init__(self, text: str) -> None:
        self._parts: Final[Iterator[TextPart | Action]] = split(text)
        self._levels = 0
        self._dots = 0
        self._loops = 0

    def whole(self) -> Body:
        body, closing = self._body()
        if closing is not None:
            raise TemplateError(f"{{{{{closing.tokens[0].text}}}}} closes nothing", closing.position)
        return body

    def _body(self) -> tuple[Body, Action | None]:
        found: list[Statement] = []
        for part in self._parts:
            if isinstance(part, TextPart):
                if part.text:
                    found.append(Text(part.text))
                continue
            if part.tokens[0].text in _ENDS and part.tokens[0].kind == "word":
                return tuple(found), part
            found.append(self._statement(part))
        return tuple(found), None

    def _statement(self, action: Action) -> Statement:
        first = action.tokens[0]
        word = first.text if first.kind == "word" else ""
        if word in _UNSUPPORTED:
            raise TemplateError(f"{word!r} is not supported", first.position)
        if word in ("break", "continue"):
            if not self._loops or len(action.tokens) > 1:
                raise TemplateError(f"{word!r} stands in no range", first.position)
            return Leave(is_continue=word == "continue")
        if word in ("if", "range", "with"):
            return self._block(word, action, action.tokens[1:])
        return self._simple(action)

    def _simple(self, action: Action) -> Statement:
        reader = self._reader(action, action.tokens)
        names, is_update = reader.names()
        expression = reader.whole()
        if len(names) > 1:
            raise TemplateError("only range gives two names", action.position)
        return Assign(names[0], expression, is_update) if names else Output(expression)

    def _block(self, word: str, action: Action, tokens: Sequence[Token]) -> Statement:
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise TemplateError(f"blocks are nested more than {MOST_LEVELS} deep", action.position)
        reader = self._reader(action, tokens)
        names, _ = reader.names()
        expression = reader.whole()
        self._enter(word, 1)
        body, closing = self._body()
        self._enter(word, -1)
        otherwise = self._otherwise(word, action, closing)
        self._levels -= 1
        if word == "range":
            return Loop(names, expression, body, otherwise)
        if len(names) > 1 or (names and word == "if"):
            raise TemplateError(f"{word!r} gives no such names; assign them before", action.position)
        if word == "with":
            return With(expression, names[0] if names else None, body, otherwise)
        return Branches(((expression, body),), otherwise)

    def _enter(self, word: str, by: int) -> None:
        self._dots += by * (word != "if")
        self._loops += by * (word == "range")

    def _otherwise(self, word: str, action: Action, closing: Action | None) -> Body:
        if closing is None:
            raise TemplateError(f"{{{{{word}}}}} has no {{{{end}}}}", action.position)
        if closing.tokens[0].text == "end":
            return ()
        rest = closing.tokens[1:]
        if rest and rest[0].text in ("if", "with"):
            return (self._block(rest[0].text, closing, rest[1:]),)
        body, end = self._body()
        if rest or end is None or end.tokens[0].text != "end":
            raise TemplateError("{{else}} must be followed by one {{end}}", closing.position)
        return body

    def _reader(self, action: Action, tokens: Sequence[Token]) -> "_Pipelines":
        return _Pipelines(tokens, action.position, has_dot=self._dots > 0)


class _Pipelines:
    """Reads the expressions of one action."""

    def __init__(self, tokens: Sequence[Token], position: int, *, has_dot: bool) -> None:
        self._tokens: Final = tokens
        self._position: Final = position
        self._has_dot: Final = has_dot
        self._at = 0
        self._levels = 0

    def names(self) -> tuple[tuple[str, ...], bool]:
        """The variables in front of `:=` or `=`, and whether they are known already."""
        found: list[str] = []
        at = self._at
        while at < len(self._tokens) and self._tokens[at].kind == "variable":
            found.append(self._tokens[at].text[1:])
            at += 1
            sign = self._tokens[at].text if at < len(self._tokens) else ""
            at += 1
            if sign in (":=", "="):
                self._at = at
                return tuple(found), sign == "="
            if sign != ",":
                break
        return (), False

    def whole(self) -> Expression:
        """The one expression that fills the rest of the action."""
        expression = self._pipeline()
        if (token := self._next()) is not None:
            raise TemplateError(f"{token.text!r} means nothing here", token.position)
        return expression

    def _next(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _pipeline(self) -> Expression:
        expression = self._command(None)
        while (token := self._next()) is not None and token.text == "|" and token.kind == "sign":
            self._at += 1
            expression = self._command(expression)
        return expression

    def _command(self, piped: Expression | None) -> Expression:
        token = self._next()
        if token is None or token.text in ("|", ")"):
            raise TemplateError("an expression is missing", self._position if token is None else token.position)
        if token.kind == "word" and token.text not in _WORDS:
            self._at += 1
            arguments = [*self._operands(), *(() if piped is None else (piped,))]
            return _function(token, arguments)
        operand = self._operand(token)
        following = self._next()
        if piped is not None or (following is not None and following.text not in ("|", ")")):
            at = token if piped is not None or following is None else following
            raise TemplateError("only functions take arguments", at.position)
        return operand

    def _operands(self) -> list[Expression]:
        found: list[Expression] = []
        while (token := self._next()) is not None and token.text not in ("|", ")"):
            if token.kind == "word" and token.text not in _WORDS:
                self._at += 1
                found.append(_function(token, []))
            else:
                found.append(self._operand(token))
        return found

    def _operand(self, token: Token) -> Expression:
        self._at += 1
        match token.kind:
            case "string" | "number":
                return Literal(literal_of(token))
            case "word":
                return Literal(_WORDS[token.text])
            case "dot":
                return self._fields(self._here())
            case "field":
                return self._fields(Member(self._here(), Literal(token.text[1:])))
            case "variable":
                return self._fields(Variable(token.text[1:]) if len(token.text) > 1 else Scope())
            case "sign" if token.text == "(":
                return self._fields(self._bracket(token))
        raise TemplateError(f"{token.text!r} means nothing here", token.position)

    def _here(self) -> Expression:
        return Dot() if self._has_dot else Scope()

    def _bracket(self, token: Token) -> Expression:
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise TemplateError(f"brackets are nested more than {MOST_LEVELS} deep", token.position)
        expression = self._pipeline()
        closing = self._next()
        if closing is None or closing.text != ")":
            raise TemplateError("a bracket is not closed", token.position)
        self._at += 1
        self._levels -= 1
        return expression

    def _fields(self, of: Expression) -> Expression:
        count = 0
        while (token := self._next()) is not None and token.kind == "field" and token.is_joined:
            self._at += 1
            count += 1
            if count > MOST_LEVELS:
                raise TemplateError(f"a path has more than {MOST_LEVELS} keys", token.position)
            of = Member(of, Literal(token.text[1:]))
        return of


def _function(token: Token, arguments: list[Expression]) -> Expression:
    name = token.text
    match name:
        case "and" | "or" if arguments:
            return And(tuple(arguments)) if name == "and" else Or(tuple(arguments))
        case "not" if len(arguments) == 1:
            return Not(arguments[0])
        case "index" if len(arguments) > 1:
            return reduce(Member, arguments)
    function = GO_FUNCTIONS.get(name)
    if function is None:
        known = ", ".join(sorted({*GO_FUNCTIONS, "and", "or", "not", "index"}))
        raise TemplateError(f"there is no function {name!r}; there are {known}", token.position)
    if not takes(function, len(arguments)):
        raise TemplateError(f"{name!r} does not take {len(arguments)} arguments", token.position)
    return Call(name, function, tuple(arguments))
