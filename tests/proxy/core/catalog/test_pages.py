"""Our own pages and cursors."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.core.builders import listing, merged
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.capabilities import Capability, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.pagination import BadCursor, ListEncoder, encode_cursor, encode_page, parse_cursor
from vmcp_proxy.protocol.kinds import WIRE, Kind

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def catalog_of(kind: Kind, names) -> Catalog:
    field = {"tool": "tools", "resource": "resources", "template": "templates", "prompt": "prompts"}[kind]
    entries = (Capability(kind, name, "b", name, json.dumps({"n": name}).encode()) for name in sorted(names))
    return Catalog(**{field: tuple(entries)})


def read_pages(catalog: Catalog, kind: Kind, page_size: int):
    cursor = None
    for _ in range(len(catalog.of(kind)) + 1):
        page = json.loads(encode_page(catalog, kind, cursor, page_size))
        yield page
        cursor = page.get("nextCursor")
        if cursor is None:
            return
    raise AssertionError("the list does not end")


@given(st.sampled_from(Kind), st.sets(TEXT, max_size=30), st.integers(1, 40))
def test_every_entry_comes_exactly_once_in_order_for_any_page_size(kind, names, page_size):
    pages = list(read_pages(catalog_of(kind, names), kind, page_size))
    entries = [entry["n"] for page in pages for entry in page[WIRE[kind].result_key]]
    assert entries == sorted(names)
    assert len(pages) == max(1, -(-len(names) // page_size))


@given(st.sets(TEXT, min_size=2, max_size=20), st.data())
def test_entries_that_come_and_go_between_pages_move_no_other_entry(names, data):
    before = sorted(names)
    page = json.loads(encode_page(catalog_of(Kind.TOOL, before), Kind.TOOL, None, len(before) // 2))
    seen = [entry["n"] for entry in page["tools"]]
    after = set(names) - data.draw(st.sets(st.sampled_from(before))) | data.draw(st.sets(TEXT, max_size=3))
    rest = json.loads(encode_page(catalog_of(Kind.TOOL, after), Kind.TOOL, page["nextCursor"]))
    assert [entry["n"] for entry in rest["tools"]] == [name for name in sorted(after) if name > seen[-1]]


def test_a_page_is_the_descriptors_as_they_are():
    catalog = Catalog(
        tools=(
            Capability(Kind.TOOL, "a", "b", "a", b'{"name": "a", "big":1e400}'),
            Capability(Kind.TOOL, "b", "b", "b", b'{"name":"b"}'),
        )
    )
    assert encode_page(catalog, Kind.TOOL, None) == b'{"tools":[{"name": "a", "big":1e400},{"name":"b"}]}'


@pytest.mark.parametrize("kind", Kind)
def test_an_empty_catalog_has_one_empty_page(kind):
    assert encode_page(Catalog(), kind, None) == b'{"%b":[]}' % WIRE[kind].result_key.encode()


def test_a_cursor_behind_the_last_entry_yields_an_empty_last_page():
    catalog = catalog_of(Kind.TOOL, ["a"])
    assert encode_page(catalog, Kind.TOOL, encode_cursor(Kind.TOOL, "z")) == b'{"tools":[]}'


def test_missing_backends_are_named_in_meta_and_only_then():
    catalog = merged(
        listing("up", tools=["t"]), up=Outcome(), slow=Outcome("timeout", "no answer"), gone=Outcome("unreachable")
    )
    assert json.loads(encode_page(catalog, Kind.TOOL, None))["_meta"] == {
        "vmcp.dev/serverOutcomes": {
            "gone": {"status": "unreachable", "message": ""},
            "slow": {"status": "timeout", "message": "no answer"},
        }
    }
    assert "_meta" not in json.loads(encode_page(merged(listing("up"), up=Outcome()), Kind.TOOL, None))


VALID = encode_cursor(Kind.TOOL, "name")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        " ",
        "garbage",
        "0",
        "AAAA",
        VALID + "=",
        VALID + "\n",
        " " + VALID,
        VALID[:-1] + "%",
        VALID.swapcase(),
        "é" * 8,
        "\ud800",
        "A" * 40_000,
        encode_cursor(Kind.TOOL, "n" * 40_000),
        encode_cursor(Kind.TOOL, ""),
        base64.urlsafe_b64encode(b"1t\xff").decode().rstrip("="),
        base64.urlsafe_b64encode(b'{"offset":1}').decode().rstrip("="),
        encode_cursor(Kind.PROMPT, "name"),
        encode_cursor(Kind.RESOURCE, "name"),
        encode_cursor(Kind.TEMPLATE, "name"),
    ],
)
def test_a_cursor_that_is_not_ours_for_this_list_is_refused(cursor):
    catalog = catalog_of(Kind.TOOL, ["a", "z"])
    assert isinstance(encode_page(catalog, Kind.TOOL, cursor), BadCursor)
    assert isinstance(ListEncoder().encode(catalog, Kind.TOOL, cursor), BadCursor)


@given(st.sampled_from(Kind), st.text(max_size=60))
def test_no_text_makes_the_cursor_parser_raise_and_only_our_own_writing_is_read(kind, cursor):
    name = parse_cursor(kind, cursor)
    assert isinstance(name, BadCursor) or encode_cursor(kind, name) == cursor


@given(st.sampled_from(Kind), TEXT)
def test_a_cursor_stands_for_the_name_that_it_was_made_of(kind, name):
    assert parse_cursor(kind, encode_cursor(kind, name)) == name


def test_the_longest_uri_still_makes_a_cursor_that_is_read():
    uri = "\U0001f600" * 4096
    assert parse_cursor(Kind.RESOURCE, encode_cursor(Kind.RESOURCE, uri)) == uri


def test_equal_views_share_the_bytes_of_a_page():
    encoder = ListEncoder()
    first = encoder.encode(catalog_of(Kind.TOOL, "ab"), Kind.TOOL, None)
    assert encoder.encode(catalog_of(Kind.TOOL, "ab"), Kind.TOOL, None) is first
    assert encoder.encode(catalog_of(Kind.TOOL, "ac"), Kind.TOOL, None) != first


def test_each_entry_is_fitted_once_to_the_clients_that_a_page_is_for():
    asked = []

    def fit(kind, raw):
        asked.append(kind)
        return raw.replace(b"a", b"A")

    catalog = catalog_of(Kind.PROMPT, "ab")
    encoder = ListEncoder(fit=fit)
    page = encoder.encode(catalog, Kind.PROMPT, None)
    assert page == encode_page(catalog, Kind.PROMPT, None).replace(b'"a"', b'"A"').replace(b"na", b"nA")
    assert encoder.encode(catalog, Kind.PROMPT, None) is page
    assert asked == [Kind.PROMPT] * 2


@given(st.sets(TEXT, max_size=12), st.integers(1, 5), st.lists(st.none() | TEXT, max_size=6))
def test_the_encoder_answers_like_the_function_whatever_it_keeps(names, page_size, after):
    catalog = catalog_of(Kind.PROMPT, names)
    encoder = ListEncoder(page_size, CatalogBudget(400))
    for name in after:
        cursor = None if name is None else encode_cursor(Kind.PROMPT, name)
        assert encoder.encode(catalog, Kind.PROMPT, cursor) == encode_page(catalog, Kind.PROMPT, cursor, page_size)


def test_the_bytes_that_are_kept_stay_within_their_bound_and_the_latest_used_stay():
    catalogs = [catalog_of(Kind.TOOL, [letter]) for letter in "abcdef"]
    budget = CatalogBudget()
    ListEncoder(budget=budget).encode(catalogs[0], Kind.TOOL, None)
    size = budget.used
    budget = CatalogBudget(3 * size)
    encoder = ListEncoder(budget=budget)
    kept = encoder.encode(catalogs[0], Kind.TOOL, None)
    for catalog in catalogs:
        encoder.encode(catalog, Kind.TOOL, None)
        assert encoder.encode(catalogs[0], Kind.TOOL, None) is kept
        assert budget.used <= 3 * size
    assert budget.used == 3 * size


def test_made_up_cursors_push_nothing_out():
    catalog = catalog_of(Kind.TOOL, "abcdefgh")
    budget = CatalogBudget(1000)
    encoder = ListEncoder(4, budget)
    first = encoder.encode(catalog, Kind.TOOL, None)
    held = budget.used
    for number in range(50):
        encoder.encode(catalog, Kind.TOOL, encode_cursor(Kind.TOOL, f"a{number}"))
    assert budget.used == held
    assert encoder.encode(catalog, Kind.TOOL, None) is first


def test_a_page_larger_than_the_bound_is_served_and_not_kept():
    budget = CatalogBudget(10)
    assert ListEncoder(budget=budget).encode(catalog_of(Kind.TOOL, "abc"), Kind.TOOL, None)
    assert budget.used == 0
