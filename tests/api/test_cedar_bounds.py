"""What a set of policies and entities may cost whoever reads it."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from vmcp_api.manifests import policies as subject
from vmcp_api.manifests.policies import check_entities, check_policies
from vmcp_api.text.cedar_flaw import CedarFlaw
from vmcp_api.text.cedar_hierarchy import MOST_ANCESTORS
from vmcp_api.text.cedar_text import (
    MOST_CHARACTERS,
    MOST_POLICIES,
    find_entities_flaw,
    find_policy_flaw,
    find_policy_flaws,
)
from vmcp_api.text.remembered import Remembered, digest_of
from vmcp_proxy.core.policy.cedar.entities import World
from vmcp_proxy.core.policy.cedar.policies import PolicyError, read_policies

ROOT = Path(__file__).resolve().parents[2]
PERMIT = "permit(principal,action,resource);"


def uid(number: int) -> dict[str, str]:
    return {"type": "U", "id": str(number)}


def entities(parents: Iterable[Iterable[int]]) -> str:
    return json.dumps(
        [{"uid": uid(i), "attrs": {}, "parents": [uid(each) for each in above]} for i, above in enumerate(parents)],
        separators=(",", ":"),
    )


def chain(length: int) -> str:
    return entities([i + 1] for i in range(length))


def said(flaw: CedarFlaw | None) -> str:
    assert flaw is not None
    assert flaw.remedy
    return str(flaw)


@pytest.mark.parametrize(
    "text",
    [
        chain(400),
        chain(3250),
        entities(range(i + 1, 130) if i < 129 else range(140, 3000) for i in range(130)),
        entities([*range(i + 1, min(i + 8, 900))] for i in range(900)),
        entities([i + 1] if i < 256 else [0] * (i > 256) for i in range(3000)),
        json.dumps(
            [{"uid": {"__entity": uid(i)}, "attrs": {}, "parents": [{"__entity": uid(i + 1)}]} for i in range(400)]
        ),
    ],
    ids=["chain", "longest chain", "wide", "dense", "below a chain", "escaped"],
)
def test_entities_with_more_ancestors_than_a_process_has_memory_for_do_not_reach_cedar(text):
    assert said(find_entities_flaw(text)) == f"has entities with more than {MOST_ANCESTORS} ancestors in all"
    with pytest.raises(PolicyError, match="ancestors"):
        World(text, "office", ("groups",))


@pytest.mark.parametrize(
    "text",
    [
        chain(361),
        entities(range(2000, 2030) for i in range(1000)),
        entities([i + 1, i + 2, i + 2] if i < 200 else () for i in range(1000)),
        entities([5000 + i % 7] for i in range(2900)),
    ],
    ids=["chain", "groups", "ladder", "one each"],
)
def test_hierarchies_that_organisations_have_are_taken(text):
    assert find_entities_flaw(text) is None
    assert World(text, "office", ("groups",)).uids


@pytest.mark.parametrize(("low", "high"), [("Group", "Client"), ("THVGroup", "Client"), ("Backend", "Tool")])
def test_what_requests_are_put_below_is_not_below_what_requests_bring(low, high):
    """Denying by a crash at the first such request would be all that came of it."""
    above = [{"uid": {"type": "Team", "id": "x"}, "attrs": {}, "parents": [{"type": high, "id": "one"}]}]
    below = [{"uid": {"type": low, "id": "dev"}, "attrs": {}, "parents": [{"type": "Team", "id": "x"}]}]
    assert said(find_entities_flaw(json.dumps([*below, *above]))) == f'has {low}::"dev" below {high}::"one"'


@pytest.mark.parametrize("length", [1, 2, 3000])
def test_a_circle_is_named_before_cedar_follows_it(length):
    text = entities([*([(i + 1) % length] if i < length else [0])] for i in range(length + 2))
    assert said(find_entities_flaw(text)).startswith('has an entity that is its own ancestor: U::"')


@pytest.mark.parametrize(
    "entity",
    [
        {"uid": ["U", "a"], "attrs": {}, "parents": []},
        {"uid": {"__entity": ["U", "a"]}, "attrs": {}, "parents": []},
        {"uid": uid(1), "attrs": {}, "parents": [["U", "b"]]},
        [uid(1), {}, []],
        {"uid": 'U::"a"', "attrs": {}, "parents": []},
        {"uid": uid(1), "attrs": {}, "parents": {}},
        {"uid": uid(1), "attrs": {}},
        None,
    ],
)
def test_entities_of_a_form_that_only_cedar_reads_are_refused(entity):
    """Their parents would be counted by nobody, and what else reads entities would fail at them."""
    whole = [{"uid": uid(0), "attrs": {}, "parents": []}, entity]
    assert said(find_entities_flaw(json.dumps(whole))).startswith("entry [1] is no Cedar entity: ")


def test_policies_beyond_those_of_a_set_are_refused_unread_with_their_place():
    whole = PERMIT * (MOST_POLICIES // 2)
    assert find_policy_flaws([whole, whole]) == ()
    ((index, flaw),) = find_policy_flaws([whole, whole, f"// a comment\n{PERMIT}"])
    assert (index, said(flaw)) == (2, f"line 2: is a policy beyond the {MOST_POLICIES} of a set")
    with pytest.raises(PolicyError, match=r"policies\[2\]: line 2: is a policy beyond"):
        read_policies([whole, whole, f"// a comment\n{PERMIT}"])
    assert [each.path for each in check_policies((whole,) * 16, ("spec",))] == ["spec[2]"]


def test_a_set_may_be_so_long_and_no_longer():
    text = PERMIT + " " * (MOST_CHARACTERS // 4 - len(PERMIT))
    assert find_policy_flaws([text] * 4) == ()
    ((index, flaw),) = find_policy_flaws([text] * 4 + [PERMIT])
    assert (index, said(flaw)) == (4, f"makes the policies longer than {MOST_CHARACTERS} characters in all")


def test_semicolons_in_strings_and_comments_make_no_policies():
    text = "permit(principal, action, resource) when { context.a == " + '";' * 1 + ";" * 5000 + '" };'
    assert find_policy_flaw(text) is None
    assert find_policy_flaws([text, "//" + ";" * 5000 + "\n" + PERMIT]) == ()


def test_the_same_texts_are_read_once_however_often_they_are_asked_about(monkeypatch):
    read: list[object] = []
    monkeypatch.setattr(subject, "find_policy_flaws", lambda texts: read.append(texts) or ())
    monkeypatch.setattr(subject, "find_entities_flaw", read.append)
    texts = (f"// of this test\n{PERMIT}", PERMIT)
    for _ in range(3):
        assert not check_policies(texts, ("spec",))
        assert not check_entities("[ ]", ("spec",))
    assert read == [texts, "[ ]"]


def test_what_was_asked_for_last_is_remembered_and_no_more():
    worked: list[int] = []
    remembered = Remembered[int, int](2)
    for key in (1, 2, 1, 3, 1, 2):
        assert remembered.get(key, lambda key=key: worked.append(key) or key) == key
    assert worked == [1, 2, 3, 2]


def test_texts_that_are_divided_elsewhere_are_others():
    keys = [digest_of("ab", "c"), digest_of("a", "bc"), digest_of("abc"), digest_of("abc", ""), digest_of("\ud800")]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", ["mcpauthzconfigs", "virtualmcpservers"])
def test_whoever_writes_policies_in_a_manifest_is_told_how_many_there_may_be(name):
    written = (ROOT / "crds" / f"{name}.yaml").read_text()
    told = " ".join(written.split())
    assert f"all texts together {MOST_POLICIES} of them in {MOST_CHARACTERS} characters" in told
    assert f"may be {MOST_ANCESTORS}" in told
