"""What a short list of rules admits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rules import Effect, Rule, RuleBased
from vmcp_proxy.auth.identity import ANONYMOUS, Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.uri_template import expand_all
from vmcp_proxy.core.policy.questions import Action
from vmcp_proxy.protocol.kinds import Kind

PERMIT, FORBID = Effect.PERMIT, Effect.FORBID
ALICE = Identity("https://issuer.example", "alice")
CALL, READ, GET = Action.CALL_TOOL, Action.READ_RESOURCE, Action.GET_PROMPT


@pytest.mark.parametrize(
    ("rules", "identity", "action", "name", "admitted"),
    [
        ((), ALICE, CALL, "t", False),
        ((Rule(PERMIT),), ALICE, CALL, "t", True),
        ((Rule(PERMIT), Rule(FORBID)), ALICE, CALL, "t", False),
        ((Rule(FORBID), Rule(PERMIT)), ALICE, CALL, "t", False),
        ((Rule(PERMIT), Rule(FORBID, names=("a_*",))), ALICE, CALL, "a_t", False),
        ((Rule(PERMIT), Rule(FORBID, names=("a_*",))), ALICE, CALL, "b_t", True),
        ((Rule(PERMIT, subjects=("alice",)),), ALICE, CALL, "t", True),
        ((Rule(PERMIT, subjects=("Alice", "bob")),), ALICE, CALL, "t", False),
        ((Rule(PERMIT, subjects=("*",)),), ANONYMOUS, CALL, "t", True),
        ((Rule(PERMIT, actions=(GET, READ)),), ALICE, CALL, "t", False),
        ((Rule(PERMIT, actions=(GET, READ)),), ALICE, GET, "t", True),
        ((Rule(PERMIT, names=("t?",)),), ALICE, CALL, "t", False),
        ((Rule(PERMIT, names=("t?", "[st]")),), ALICE, CALL, "t", True),
        ((Rule(PERMIT, names=("T",)),), ALICE, CALL, "t", False),
        ((Rule(PERMIT, names=("x",)), Rule(PERMIT, names=("t",))), ALICE, CALL, "t", True),
    ],
)
def test_a_permit_is_needed_and_a_forbid_wins(rules, identity, action, name, admitted):
    assert RuleBased(rules).admits(identity, action, None, name) is admitted


def template(text: str) -> Capability:
    return Capability(Kind.TEMPLATE, text, "b", text, b"{}")


@pytest.mark.parametrize(
    ("rules", "text", "shown"),
    [
        ((Rule(PERMIT, names=("x://a/1",)),), "x://a/{id}", True),
        ((Rule(PERMIT, names=("x://b/*",)),), "x://a/{id}", False),
        ((Rule(PERMIT, names=("*/data",)),), "x://a/{id}", True),
        ((Rule(PERMIT, names=("*/data",)),), "x://a/{id}/meta", False),
        ((Rule(PERMIT, names=("x://[ab]/?",)),), "x://a/{id}", True),
        ((Rule(PERMIT), Rule(FORBID, names=("x://a/1",))), "x://a/{id}", True),
        ((Rule(PERMIT), Rule(FORBID, names=("x://a/*",))), "x://a/{id}", False),
        ((Rule(PERMIT), Rule(FORBID, names=("x://a/?",))), "x://a/{id}", True),
        ((Rule(PERMIT), Rule(FORBID, names=("x://a/[!1]*",))), "x://a/{id}", True),
        ((Rule(PERMIT), Rule(FORBID, names=("x://[!1]*a",))), "x://{id}/a", True),
        ((Rule(PERMIT), Rule(FORBID)), "x://a/{id}", False),
    ],
)
def test_a_template_is_shown_where_some_expansion_could_be_read(rules, text, shown):
    assert RuleBased(rules).admits(ALICE, READ, template(text), text) is shown


PATTERNS = st.text("ab*?", max_size=6)


@given(
    st.lists(st.tuples(st.sampled_from(Effect), st.lists(PATTERNS, max_size=2)), max_size=3),
    st.text("ab", max_size=2),
    st.text("ab", max_size=2),
    st.text("ab", max_size=4),
)
def test_a_template_with_a_readable_expansion_is_never_hidden(drawn, before, after, value):
    admitter = RuleBased(tuple(Rule(effect, names=tuple(names)) for effect, names in drawn))
    text = f"{before}{{v}}{after}"
    entry = template(text)
    if admitter.admits(ALICE, READ, entry, expand_all(text, value)):
        assert admitter.admits(ALICE, READ, entry, text)


def test_the_version_follows_the_rules():
    rules = [(), (Rule(PERMIT),), (Rule(FORBID),), (Rule(PERMIT, names=("a",)),), (Rule(PERMIT, subjects=("a",)),)]
    assert len({RuleBased(each).version for each in rules}) == len(rules)
    assert RuleBased((Rule(PERMIT),)).version == RuleBased((Rule(PERMIT),)).version
