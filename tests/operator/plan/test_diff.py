import copy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmcp_operator.plan.diff import holds, needs_apply
from vmcp_operator.plan.objects.naming import seal

MANIFEST = seal({"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"a": 1, "b": {"c": "d"}}})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def test_an_object_that_holds_the_manifest_and_more_needs_no_write():
    live = copy.deepcopy(MANIFEST)
    live["metadata"] |= {"uid": "u", "labels": {"x": "1", "foreign": "2"}}
    live["spec"]["defaulted"] = True
    live["status"] = {"ready": True}
    assert not needs_apply(MANIFEST, live)


def test_a_missing_object_a_new_manifest_and_a_changed_leaf_need_one():
    assert needs_apply(MANIFEST, None)
    changed = copy.deepcopy(MANIFEST)
    changed["spec"]["b"]["c"] = "x"
    assert needs_apply(MANIFEST, changed)
    removed = copy.deepcopy(MANIFEST)
    del removed["spec"]["a"]
    assert needs_apply(MANIFEST, removed)
    # Something that was dropped from the manifest still stands in the object: only the hash tells.
    other = seal({"metadata": {"name": "a"}, "spec": {"a": 1}})
    assert needs_apply(other, MANIFEST)


@pytest.mark.parametrize(
    ("live", "desired", "same"),
    [
        ("1", "1000m", True),
        ("1Gi", "1024Mi", True),
        ("500m", "0.5", True),
        ("500m", "501m", False),
        ("1", "1k", False),
        (None, "1", False),
    ],
)
def test_quantities_are_compared_by_amount(live, desired, same):
    assert holds({"limits": {"cpu": live}}, {"limits": {"cpu": desired}}) is same


def test_texts_that_only_look_like_quantities_are_compared_as_texts():
    assert not holds({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "1.0"}]})


def test_lists_with_names_are_compared_by_name_and_others_by_place():
    live = {"containers": [{"name": "sidecar", "image": "s"}, {"name": "vmcp", "image": "v", "extra": 1}]}
    assert holds(live, {"containers": [{"name": "vmcp", "image": "v"}]})
    assert not holds(live, {"containers": [{"name": "vmcp", "image": "w"}]})
    assert not holds(live, {"containers": [{"name": "other"}]})
    assert holds({"args": ["a", "b"]}, {"args": ["a", "b"]})
    assert not holds({"args": ["b", "a"]}, {"args": ["a", "b"]})
    assert not holds({"args": ["a", "b", "c"]}, {"args": ["a", "b"]})


@pytest.mark.parametrize(
    ("live", "desired", "same"),
    [
        ({}, {"value": ""}, True),
        ({}, {"readOnly": False}, True),
        ({}, {"spec": {}}, True),
        ({}, {"sources": []}, True),
        ({}, {"automountServiceAccountToken": False}, False),
        ({"automountServiceAccountToken": True}, {"automountServiceAccountToken": False}, False),
        ({}, {"readOnly": True}, False),
    ],
)
def test_what_the_api_server_leaves_out_counts_as_there_unless_its_absence_means_more(live, desired, same):
    assert holds(live, desired) is same


@example(value={"ports": [None]})
@given(value=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_every_value_holds_itself(value):
    assert holds(value, value)
