"""What an override leaves and what it replaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.spec.aggregation import ToolOverride
from vmcp_proxy.core.catalog.overrides import rewrite_descriptor

RAW = (
    b'{ "x": 12345678901234567890.0, "name":"t", "description" : "old", "inputSchema": {"b":1, "a":[ ]},'
    b'"annotations":{"title":"T","readOnlyHint":true,"x-own":1.50},"z":null}'
)


def override(**members: object) -> ToolOverride:
    return ToolOverride.model_validate(members, by_alias=True, by_name=False)


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("new", {}, RAW.replace(b'"name":"t"', b'"name":"new"')),
        (None, {"description": 'q"é'}, RAW.replace(b'"old"', '"q\\"é"'.encode())),
        (None, {"description": ""}, RAW.replace(b'"old"', b'""')),
        (None, {"annotations": {"readOnlyHint": False}}, RAW.replace(b"true", b"false")),
        (
            None,
            {"annotations": {"title": "N", "destructiveHint": True, "idempotentHint": False, "openWorldHint": False}},
            RAW.replace(b'"title":"T"', b'"title":"N"').replace(
                b"1.50}", b'1.50,"destructiveHint":true,"idempotentHint":false,"openWorldHint":false}'
            ),
        ),
    ],
)
def test_only_the_overridden_members_change_and_all_others_keep_bytes_and_order(name, changes, expected):
    rewritten = rewrite_descriptor(RAW, name=name, override=override(**changes))
    assert strip(rewritten) == strip(expected)
    for member in (b"12345678901234567890.0", b'{"b":1, "a":[ ]}', b"1.50", b'"z":null'):
        assert member in rewritten


def strip(raw: bytes) -> bytes:
    """Without the white space between members, which is nobody's content; inside other members it stays."""
    return raw.replace(b'{ "x": ', b'{"x":').replace(b', "', b',"').replace(b'" : ', b'":').replace(b'a": {', b'a":{')


@pytest.mark.parametrize("changes", [None, override(), override(name="elsewhere"), override(annotations=None)])
def test_without_a_change_these_are_the_same_bytes_and_no_copy(changes):
    assert rewrite_descriptor(RAW, name=None, override=changes) is RAW


def test_members_that_the_backend_left_out_are_added_at_the_end():
    changes = override(description="d", annotations={"openWorldHint": False})
    assert rewrite_descriptor(b'{"name":"t"}', name=None, override=changes) == (
        b'{"name":"t","description":"d","annotations":{"openWorldHint":false}}'
    )


@pytest.mark.parametrize("own", [b"null", b"[]", b"7", b'"x"'])
def test_annotations_that_are_no_object_give_way_to_the_override(own):
    raw = b'{"name":"t","annotations":%b,"z":1}' % own
    changes = override(annotations={"readOnlyHint": True})
    assert rewrite_descriptor(raw, name=None, override=changes) == (
        b'{"name":"t","annotations":{"readOnlyHint":true},"z":1}'
    )


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_name_inside_other_members_is_never_touched(text):
    raw = b'{"inputSchema":{"properties":{"name":{"name":"t"}}},"name":"t"}'
    rewritten = rewrite_descriptor(raw, name=None, override=override(description=text[:8192]))
    assert rewritten.startswith(raw[:-1] + b',"description":')
