"""`/explain` of the admin port: a question as JSON, and the explanation as JSON; what can be asked about."""

from typing import Any, Final, Protocol

import msgspec

from vmcp_proxy.auth.identity import ANONYMOUS, Identity
from vmcp_proxy.core.explain.explainer import KINDS, Asked
from vmcp_proxy.core.explain.explanation import Explanation
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.surrogates import encode_members

MOST_BYTES: Final = 1 << 20
"""What a question may hold: claims and arguments."""

_FORM: Final = "Send an object of name, kind, identity (an object of subject, issuer, claims, scopes) and arguments."
_LONGEST_NAME: Final = 4096


class Explainer(Protocol):
    """Who knows why, and what can be asked about."""

    async def explain(self, asked: Asked) -> Explanation: ...

    def names(self, kind: Kind) -> tuple[str, ...]: ...


class AskedIdentity(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The caller that is asked about, as its token would say; nobody checks a token here."""

    subject: str
    issuer: str = ""
    claims: dict[str, Any] = msgspec.field(default_factory=dict)
    scopes: list[str] = msgspec.field(default_factory=list)


class Question(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The body of a request; without an `identity` it is about an anonymous caller."""

    name: str
    kind: Kind = Kind.TOOL
    identity: AskedIdentity | None = None
    arguments: dict[str, msgspec.Raw] | None = None

    @property
    def asked(self) -> Asked:
        """The same for the core."""
        who = self.identity
        identity = (
            ANONYMOUS
            if who is None
            else Identity(who.issuer, who.subject, True, claims=who.claims, scopes=frozenset(who.scopes))  # noqa: FBT003 - as a caller with a token
        )
        return Asked(identity, self.kind, self.name, None if self.arguments is None else encode_members(self.arguments))


_decode: Final = msgspec.json.Decoder(Question).decode


def parse_question(body: bytes) -> Question | str:
    """The question, or what is wrong with it."""
    try:
        question = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"The body is no question: {error}. {_FORM}"
    if question.kind not in KINDS:
        return f"The kind must be one of {', '.join(KINDS)} (found {question.kind!r}); ask for a template by a URI."
    if not 0 < len(question.name) <= _LONGEST_NAME:
        return f"The name must have 1 to {_LONGEST_NAME} characters (found {len(question.name)})."
    return question
