"""Digests of JSON values: equal for what is equal, however it is written, and different for all else."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.protocol.modern.canonical import digest_of
from vmcp_proxy.protocol.params import InvalidParamsError

texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(texts, v, max_size=4), max_leaves=12)


def shuffled(value, order):
    """The same value with the members of its objects in another order."""
    if isinstance(value, dict):
        names = list(value)
        order.shuffle(names)
        return {name: shuffled(value[name], order) for name in names}
    return [shuffled(each, order) for each in value] if isinstance(value, list) else value


def plain(value):
    """What tells values apart as JSON does: `1` and `1.0` are one number, `1` and `true` are not."""
    match value:
        case bool() | None | str():
            return (type(value).__name__, value)
        case int() | float():
            return ("number", Decimal(repr(value)))
        case list():
            return ("list", [plain(each) for each in value])
    return ("object", sorted((name, plain(each)) for name, each in value.items()))


@given(
    value=values,
    order=st.randoms(use_true_random=False),
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
)
def test_order_white_space_and_escapes_do_not_count(value, order, indent, ascii_only):
    again = json.dumps(shuffled(value, order), indent=indent, ensure_ascii=ascii_only)
    try:
        again.encode()
    except UnicodeEncodeError:
        again = json.dumps(shuffled(value, order), indent=indent)
    assert digest_of(again.encode()) == digest_of(json.dumps(value).encode())


@given(one=values, other=values)
def test_other_values_have_other_digests(one, other):
    same = digest_of(json.dumps(one).encode()) == digest_of(json.dumps(other).encode())
    if one is None or other is None or one == {} or other == {}:
        one, other = one or {} if one is None else one, {} if other is None else other
    assert same == (plain(one) == plain(other))


@pytest.mark.parametrize(
    "forms",
    [
        ["1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000", "100e-2"],
        ["0", "-0", "0.0", "-0.0e9", "0e99"],
        ["120", "1.2e2", "12e1", "1200E-1"],
        ["-0.05", "-5e-2", "-0.5e-1"],
        ["12345678901234567890", "12345678901234567890.0", "1234567890123456789e1"],
        ["1e400", "10e399"],
        ['"\\u0041\\/"', '"A/"'],
        ['"\\ud83d\\ude00"', '"😀"'],
        ['"\\ud83d"', '"\\uD83D"'],
        ["{}", "null", " { } "],
        ['{"a":1,"a":2}', '{"a":2}'],
        ['{"a":{"b":[1,2]},"c":3}', '{ "c":3.0, "a":{"b":[1, 2]} }'],
    ],
)
def test_these_are_one_value(forms):
    assert len({digest_of(form.encode()) for form in forms}) == 1


def test_these_are_all_different_values():
    forms = ["1", '"1"', "[1]", "10", "-1", "1.5", "15", "true", "false", '"n"', "[]", '""', '{"a":[]}', '{"a":{}}']
    forms += ['{"a":null}', "[null]", "[[]]", "[[],[]]", "[[[]]]", '["a","b"]', '["ab"]', '{"a":"b"}', '["a",["b"]]']
    forms += [
        "12345678901234567890",
        "12345678901234567891",
        '"\\ud83d"',
        '"\\ufffd"',
        '{"a":1,"b":2}',
        '{"a":2,"b":1}',
    ]
    assert len({digest_of(form.encode()) for form in forms}) == len(forms)


def test_nothing_said_is_no_arguments():
    assert digest_of(None) == digest_of(b"{}")


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"NaN", b"1e" + b"9" * 5000, b"{", b"\xff"])
def test_what_cannot_be_read_is_refused_in_words(raw):
    with pytest.raises(InvalidParamsError, match="cannot be read"):
        digest_of(raw)


def test_what_can_be_read_deeply_has_a_digest():
    depth = 500
    assert digest_of(b"[" * depth + b"]" * depth) != digest_of(b"[" * (depth + 1) + b"]" * (depth + 1))
