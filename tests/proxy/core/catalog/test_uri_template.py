"""Which URIs a template stands for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.core.catalog.uri_template import MAX_URI_LENGTH, can_expand_to, expand_all, expand_some, find_template


@pytest.mark.parametrize(
    ("template", "uri", "expected"),
    [
        ("test://template/{id}/data", "test://template/123/data", True),
        ("test://template/{id}/data", "test://template//data", True),
        ("test://template/{id}/data", "test://template/1/2/data", False),
        ("test://template/{id}/data", "test://template/123/data/", False),
        ("test://template/{id}/data", "test://template/123/dat", False),
        ("test://template/{id}/data", "Test://template/123/data", False),
        ("x://{city}", "x://New York, é%20(1)", True),
        ("x://{city}", "x://a?b", False),
        ("x://{city}", "x://a#b", False),
        ("x://{a}-{b}", "x://1-2-3", True),
        ("x://{a}-{b}", "x://12", False),
        ("x://{a}{b}", "x://12", True),
        ("x://{a,b}", "x://1,2", True),
        ("x://{list*}", "x://1,2", True),
        ("x://{var:3}", "x://abc", True),
        ("file:///{+path}", "file:///a/b/c.txt?x#y", True),
        ("file:///{+path}/end", "file:///a/b/end", True),
        ("file:///{+path}/end", "file:///a/b/end/more", False),
        ("x://a{#frag}", "x://a#part/1", True),
        ("x://a{#frag}", "x://a", True),
        ("x://a{#frag}", "x://apart", False),
        ("x://a{/seg,ments}", "x://a/1/2", True),
        ("x://a{/seg}", "x://a1", False),
        ("x://a{.ext}", "x://a.json", True),
        ("x://a{.ext}", "x://ajson", False),
        ("x://a{;k,v}", "x://a;k=1;v=2", True),
        ("x://items{?page,size}", "x://items?page=1&size=2", True),
        ("x://items{?page}", "x://items", True),
        ("x://items{?page}", "x://items2", False),
        ("x://items?fixed=1{&page}", "x://items?fixed=1&page=2", True),
        ("x://items{?a}{&b}", "x://items&b=2", True),
        ("x://items{?a}{#f}", "x://items?a=1#f", True),
        ("x://plain", "x://plain", True),
        ("x://plain", "x://plain/", False),
        ("x://{id", "x://{id", True),
        ("x://{id", "x://1", False),
        ("x://{}", "x://1", False),
        ("x://}{a}", "x://}1", False),
        ("", "", True),
    ],
)
def test_a_template_stands_for_what_its_expressions_can_become(template, uri, expected):
    assert can_expand_to(template, uri) is expected
    assert find_template([template], uri) == (template if expected else None)


@given(st.lists(st.sampled_from(["{a}", "{+b}", "{?c}", "{/d}", "{e,f}", "x", "/", "ab"]), max_size=8), st.data())
def test_a_template_stands_for_all_its_expansions(parts, data):
    texts = {
        "{a}": st.text("xyz%20", max_size=3),
        "{+b}": st.text("x/?#:", max_size=3),
        "{?c}": st.sampled_from(["", "?c=", "?c=1"]),
        "{/d}": st.sampled_from(["", "/", "/1"]),
        "{e,f}": st.sampled_from(["", "1", "1,2"]),
    }
    expansion = "".join(data.draw(texts[part]) if part in texts else part for part in parts)
    assert can_expand_to("".join(parts), expansion)


def test_no_template_stands_for_its_own_text():
    assert not can_expand_to("x://{+id}", "x://{+id}")


def test_of_several_templates_the_first_counts():
    assert find_template(["y://{a}", "x://{+a}", "x://{b}"], "x://1") == "x://{+a}"


@pytest.mark.parametrize("template", ["{a}" * 1300 + "!", "{?a}{&b}" * 500 + "!", "{+a}b" * 800 + "!"])
def test_a_template_made_to_be_slow_is_not(template):
    began = time.process_time()
    assert not can_expand_to(template, "?&b" * 1300)
    # Trying the ways one by one would take longer than the universe has had.
    assert time.process_time() - began < 2


def test_a_thousand_templates_that_begin_like_anything_are_given_up_on():
    templates = [f"{{+a}}{number}{{+b}}z" for number in range(3_000)]
    began = time.process_time()
    assert find_template([*templates, "{+a}"], "y" * 4_000 + "z") is None
    assert time.process_time() - began < 5


def test_what_is_too_long_is_not_matched():
    assert not can_expand_to("x://{a}", "x://" + "a" * MAX_URI_LENGTH)


def test_expressions_can_all_be_filled_with_one_text():
    assert expand_all("x://{a}/{+b}{?c}", "*") == "x://*/**"
    assert expand_all("x://{a", "*") == "x://{a"


@pytest.mark.parametrize(
    ("template", "expanded"),
    [
        ("x://{a}/{b}", "x://1%2F%7B2/{b}"),
        ("x://{+a}/{b:3}{c*}", "x://1/%7B2/{b:3}{c*}"),
        ("x://y{/a}{.a}{#a}", "x://y/1%2F%7B2.1%2F%7B2#1/%7B2"),
        ("x://y{?a}{&a}{;a}{?a,b}", "x://y?a=1%2F%7B2&a=1%2F%7B2;a=1%2F%7B2{?a,b}"),
        ("x://y{b}{", "x://y{b}{"),
    ],
)
def test_what_is_known_of_a_template_is_expanded_and_the_rest_stays(template, expanded):
    assert expand_some(template, {"a": "1/{2", "": "no"}) == expanded
