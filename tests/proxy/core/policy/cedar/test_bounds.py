"""What callers can make the policies remember, and what no text of theirs can do."""

import pytest

from tests.proxy.core.policy.cedar.helpers import a_tool, admitter, decided, unknown, who
from vmcp_proxy.core.policy.cedar import standings as module

READ = a_tool("read")
BY_NAME = 'permit(principal, action, resource) when { resource.name like "a*" && context has arg_x };'


def kept(policies):
    return [len(each.standings) for each in policies._subjects._subjects.values()]


async def test_guessed_names_and_many_callers_are_remembered_within_bounds(monkeypatch):
    monkeypatch.setattr(module, "_MOST_THINGS", 20)
    monkeypatch.setattr(module, "_MOST_STANDINGS", 50)
    monkeypatch.setattr(module, "_MOST_IDENTITIES", 5)
    policies = admitter(BY_NAME)
    for number in range(300):
        identity = who(f"caller-{number % 7}", number=number % 3)
        assert not (await unknown(policies, identity, f"name-{number}")).admits
        assert sum(kept(policies)) == policies._subjects._kept <= 50
        assert len(kept(policies)) <= 5
        assert max(kept(policies)) <= 20
    assert (await decided(admitter(BY_NAME), who("a"), a_tool("abc"), {"x": 1})).admits


@pytest.mark.parametrize("name", ["\ud800", 'x" , "y', "\x00", 'Tool::"read"', "\n", "a" * 100_000])
async def test_names_of_all_sorts_are_decided_and_stand_for_no_other(name):
    policies = admitter(
        'permit(principal == Client::"alice", action, resource == Tool::"read");',
        'permit(principal in Group::"?", action, resource);',
        'permit(principal, action, resource) when { resource.name == "?" };',
    )
    assert not (await unknown(policies, who("alice"), name)).admits
    assert not (await decided(policies, who(name, groups=[name]), READ)).admits
