"""How the pages of one backend become a listing."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.core.builders import raw_tool
from vmcp_proxy.core.catalog.capabilities import Dropped, Incomplete
from vmcp_proxy.core.listings.builder import ListingBuilder
from vmcp_proxy.core.listings.page import BadListing, ListingLimits, Page, parse_page
from vmcp_proxy.protocol.kinds import WIRE, Kind

ODD_TOOL = (
    b'{"inputSchema": {"$defs":{"b":{"$ref":"#/$defs/a"},"a":{}},  "oneOf":[{"maximum":'
    b'123456789012345678901234567890.10},null]},"x-unknown":{"z":1,"a":[ ]}, "name":"odd",\n'
    b'"none":null,"icons":[{"src":"data:"}],"_meta":{"k":1E+2},"description":"\\u00e9\\/"}'
)


def tools_page(*entries: bytes, cursor: str = "") -> bytes:
    return b'{"tools":[%b]%b}' % (b",".join(entries), b',"nextCursor":' + cursor.encode() if cursor else b"")


def parsed(kind: Kind, entry: bytes) -> Page:
    page = parse_page(kind, b'{"%b":[%b]}' % (WIRE[kind].result_key.encode(), entry), ListingLimits())
    assert isinstance(page, Page)
    return page


def test_a_descriptor_keeps_every_byte_that_its_backend_wrote():
    (tool,) = parsed(Kind.TOOL, ODD_TOOL).descriptors
    assert tool.raw == ODD_TOOL
    assert tool.name == "odd"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    ),
    st.sampled_from([None, 2]),
)
def test_any_further_member_passes_byte_for_byte(value, indent):
    entry = json.dumps({"a": value, "name": "t", "inputSchema": {"v": value}, "z": value}, indent=indent).encode()
    (tool,) = parsed(Kind.TOOL, entry).descriptors
    assert tool.raw == entry


@pytest.mark.parametrize(
    ("kind", "entry", "label", "reason"),
    [
        (Kind.TOOL, b"17", "#1", "it is not a JSON object in UTF-8"),
        (Kind.TOOL, b"null", "#1", "it is not a JSON object in UTF-8"),
        (Kind.TOOL, b'["name"]', "#1", "it is not a JSON object in UTF-8"),
        (Kind.TOOL, b'{"name":"t","inputSchema":{},"description":"\xff"}', "#1", "it is not a JSON object in UTF-8"),
        (Kind.TOOL, b"{}", "#1", "it has no name"),
        (Kind.TOOL, b'{"name":null}', "#1", "its name is no text"),
        (Kind.TOOL, b'{"name":7}', "#1", "its name is no text"),
        (Kind.TOOL, b'{"name":"","inputSchema":{}}', "#1", "its name is empty"),
        (Kind.TOOL, b'{"name":"a\\nb","inputSchema":{}}', "a\ufffdb", "its name holds control characters"),
        (Kind.TOOL, b'{"name":"a\\u0085b","inputSchema":{}}', "a\ufffdb", "its name holds control characters"),
        (Kind.TOOL, raw_tool("n" * 257), "n" * 64, "its name is longer than 256 characters"),
        (Kind.TOOL, b'{"name":"t"}', "t", "it has no inputSchema"),
        (Kind.TOOL, b'{"name":"t","inputSchema":null}', "t", "its inputSchema is no object"),
        (Kind.TOOL, b'{"name":"t","inputSchema":[]}', "t", "its inputSchema is no object"),
        (Kind.TOOL, b'{"name":"t","inputSchema":true}', "t", "its inputSchema is no object"),
        (Kind.PROMPT, b'{"uri":"x://a"}', "#1", "it has no name"),
        (Kind.RESOURCE, b'{"name":"a"}', "#1", "it has no uri"),
        (Kind.RESOURCE, b'{"uri":"x://\\u0000"}', "x://\ufffd", "its uri holds control characters"),
        (Kind.RESOURCE, b'{"uri":"x://a"}', "x://a", "it has no name"),
        (Kind.RESOURCE, b'{"uri":"x://a","name":null}', "x://a", "its name is no text"),
        (Kind.RESOURCE, b'{"uri":"x://a","name":["n"]}', "x://a", "its name is no text"),
        (Kind.TEMPLATE, b'{"uri":"x://a"}', "#1", "it has no uriTemplate"),
        (Kind.TEMPLATE, b'{"uriTemplate":"x://{a}","title":"n"}', "x://{a}", "it has no name"),
    ],
)
def test_a_malformed_entry_is_dropped_alone_with_its_name_or_position(kind, entry, label, reason):
    good = {"name": "good", "uri": "x://good", "uriTemplate": "x://{good}", "inputSchema": {}}
    builder = ListingBuilder("b")
    page = b'{"%b":[%b,%b]}' % (WIRE[kind].result_key.encode(), entry, json.dumps(good).encode())
    assert builder.add(kind, page) is None
    listing = builder.build()
    assert [each.name for each in listing.of(kind)] == [good[WIRE[kind].member]]
    assert listing.dropped == (Dropped("b", kind, label, reason),)
    assert listing.incomplete == ()


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        (Kind.TOOL, raw_tool("n" * 256)),
        (Kind.TOOL, b'{"name":"no type","inputSchema":{}}'),
        (Kind.TOOL, b'{"name":"t","inputSchema":  {"type" : "obj\\u0065ct","properties":{"p":{"type":17}}}}'),
        (Kind.PROMPT, b'{"name":"p","arguments":[{"name":"","default":null}],"description":"\\ud800"}'),
        (Kind.RESOURCE, b'{"uri":"x:","name":""}'),
        (Kind.RESOURCE, b'{"uri":"x:","name": "\\ud800","size":1e3,"annotations":{"lastModified":"then"}}'),
        (Kind.TEMPLATE, b'{"uriTemplate":"x://{a}/{b","name":"n"}'),
    ],
)
def test_an_entry_is_not_judged_beyond_what_mcp_requires(kind, entry):
    page = parsed(kind, entry)
    assert [each.raw for each in page.descriptors] == [entry]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (b"[]", "the result holds no list of tools"),
        (b'{"tools":{}}', "the result holds no list of tools"),
        (b'{"tools":null}', "the result holds no list of tools"),
        (b'{"prompts":[]}', "the result has no tools"),
        (b'{"tools":[1,}', "the result holds no list of tools"),
        (b'{"tools":' + b"[" * 200_000, "the result holds no list of tools"),
        (b"", "the result holds no list of tools"),
    ],
)
def test_a_result_that_is_no_list_is_refused_as_a_whole(result, reason):
    assert parse_page(Kind.TOOL, result, ListingLimits()) == BadListing(reason)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda junk: b'{"tools":[' + junk + b"]}"))
def test_no_bytes_make_the_parser_raise(result):
    assert isinstance(parse_page(Kind.TOOL, result, ListingLimits()), Page | BadListing)


def test_of_a_repeated_name_the_first_entry_stays_across_pages():
    builder = ListingBuilder("b")
    assert builder.add(Kind.TOOL, tools_page(raw_tool("t", v=1), raw_tool("u"), cursor='"1"')) == b'"1"'
    assert builder.add(Kind.TOOL, tools_page(raw_tool("t", v=2))) is None
    listing = builder.build()
    assert [tool.raw for tool in listing.tools] == [raw_tool("t", v=1), raw_tool("u")]
    assert listing.dropped == (Dropped("b", Kind.TOOL, "t", "an earlier entry has its name"),)


def test_positions_count_through_the_whole_list():
    builder = ListingBuilder("b")
    builder.add(Kind.TOOL, tools_page(raw_tool("t"), b"1", cursor='"1"'))
    builder.add(Kind.TOOL, tools_page(raw_tool("u"), b"2"))
    assert [entry.name for entry in builder.build().dropped] == ["#2", "#4"]


@pytest.mark.parametrize(
    ("cursor", "following"),
    [("", None), ("null", None), ('"a"', b'"a"'), ('""', b'""'), ('"\\u0041\\/"', b'"\\u0041\\/"')],
)
def test_the_next_cursor_is_sent_back_as_it_came_and_an_absent_one_ends_the_list(cursor, following):
    builder = ListingBuilder("b")
    assert builder.add(Kind.TOOL, tools_page(raw_tool("t"), cursor=cursor)) == following
    assert builder.build().incomplete == ()


@pytest.mark.parametrize("cursor", ["1", "{}", "false", '"' + "c" * 20_000 + '"'])
def test_a_cursor_that_is_none_ends_the_list_and_is_reported(cursor):
    builder = ListingBuilder("b")
    assert builder.add(Kind.TOOL, tools_page(raw_tool("t"), cursor=cursor)) is None
    listing = builder.build()
    assert len(listing.tools) == 1
    assert listing.incomplete == (Incomplete("b", Kind.TOOL, "its nextCursor is no text of at most 16384 bytes"),)


def read_all(builder: ListingBuilder, kind: Kind, page_after) -> int:
    """Asks as a fetcher does; fails where the builder never says stop."""
    cursor = None
    for asked in range(1, 10_000):
        cursor = builder.add(kind, page_after(asked, cursor))
        if cursor is None:
            return asked
    raise AssertionError("the list does not end")


def test_2500_tools_in_pages_of_100_all_arrive_once_in_the_backends_order():
    builder = ListingBuilder("b")

    def page(asked, _cursor):
        entries = (raw_tool(f"t{number}") for number in range(asked * 100 - 100, asked * 100))
        return tools_page(*entries, cursor=f'"{asked}"' if asked < 25 else "")

    assert read_all(builder, Kind.TOOL, page) == 25
    listing = builder.build()
    assert [tool.name for tool in listing.tools] == [f"t{number}" for number in range(2500)]
    assert (listing.dropped, listing.incomplete) == ((), ())


@pytest.mark.parametrize(
    ("limits", "cursors", "asked", "kept", "reason"),
    [
        (ListingLimits(), ["a", "b", "a"], 3, 3, "its nextCursor repeats"),
        (ListingLimits(pages=7), None, 7, 7, "more than 7 pages"),
        (ListingLimits(items=5), None, 6, 5, "more than 5 tools"),
        (ListingLimits(bytes=500), None, 7, 6, "more than 500 bytes"),
    ],
)
def test_an_endless_list_is_cut_off_and_reported(limits, cursors, asked, kept, reason):
    builder = ListingBuilder("b", limits)

    def page(number, _cursor):
        return tools_page(raw_tool(f"t{number}"), cursor=f'"{cursors[number - 1] if cursors else number}"')

    assert read_all(builder, Kind.TOOL, page) == asked
    listing = builder.build()
    assert len(listing.tools) == kept
    assert listing.incomplete == (Incomplete("b", Kind.TOOL, reason),)


def test_a_list_of_exactly_the_bounds_is_complete():
    builder = ListingBuilder("b", ListingLimits(pages=2, items=2))
    builder.add(Kind.TOOL, tools_page(raw_tool("t"), cursor='"1"'))
    builder.add(Kind.TOOL, tools_page(raw_tool("u")))
    assert builder.build().incomplete == ()


def test_one_enormous_page_keeps_only_what_has_room():
    builder = ListingBuilder("b", ListingLimits(items=3))
    assert builder.add(Kind.TOOL, tools_page(*(raw_tool(f"t{number}") for number in range(9)), cursor='"1"')) is None
    listing = builder.build()
    assert [tool.name for tool in listing.tools] == ["t0", "t1", "t2"]
    assert listing.incomplete == (Incomplete("b", Kind.TOOL, "more than 3 tools"),)


def test_a_kind_that_fails_leaves_the_others_and_its_own_earlier_pages():
    builder = ListingBuilder("b")
    builder.add(Kind.TOOL, tools_page(raw_tool("t"), cursor='"1"'))
    builder.cut_off(Kind.TOOL, "timed out")
    builder.cut_off(Kind.TOOL, "a later reason")
    builder.add(Kind.PROMPT, b'{"prompts":[{"name":"p"}]}')
    listing = builder.build()
    assert [entry.name for entry in listing.tools + listing.prompts] == ["t", "p"]
    assert listing.incomplete == (Incomplete("b", Kind.TOOL, "timed out"),)


def test_a_thousand_bad_entries_are_counted_and_not_all_named():
    builder = ListingBuilder("b", ListingLimits(reports=2))
    builder.add(Kind.TOOL, tools_page(*[b"0"] * 1000))
    assert [(entry.name, entry.reason) for entry in builder.build().dropped] == [
        ("#1", "it is not a JSON object in UTF-8"),
        ("#2", "it is not a JSON object in UTF-8"),
        ("…", "and 998 more"),
    ]


def test_a_page_comes_as_a_raw_span_too():
    builder = ListingBuilder("b")
    builder.add(Kind.TOOL, msgspec.Raw(tools_page(raw_tool("t"))))
    assert len(builder.build().tools) == 1


def test_the_digest_of_a_listing_follows_its_content():
    def built(*pages: bytes):
        builder = ListingBuilder("b")
        for page in pages:
            builder.add(Kind.TOOL, page)
        return builder.build().digest

    first = built(tools_page(raw_tool("t"), raw_tool("u")))
    assert first == built(tools_page(raw_tool("t"), cursor='"1"'), tools_page(raw_tool("u")))
    others = [
        built(tools_page(raw_tool("u"), raw_tool("t"))),
        built(tools_page(raw_tool("t"))),
        built(tools_page(raw_tool("t"), raw_tool("u", title="U"))),
        built(tools_page(raw_tool("t"), raw_tool("u"), b"0")),
        built(tools_page(raw_tool("t"), raw_tool("u"), cursor="0")),
    ]
    assert len({first, *others}) == 6
