"""Which entries of a list are dropped for a member of a wrong type, and what is taken out of others."""

import copy
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp_types.methods import validate_server_result

from tests.support.examples import examples
from tests.support.mutation import json_values
from vmcp_proxy.core.catalog.capabilities import Descriptor
from vmcp_proxy.core.listings.entry_shape import fit_members
from vmcp_proxy.core.listings.entry_types import DECODE_ENTRY, ENTRY_SHAPES
from vmcp_proxy.core.listings.page import BadEntry, ListingLimits, Page, parse_page
from vmcp_proxy.protocol.kinds import WIRE, Kind
from vmcp_proxy.protocol.surrogates import decode_members
from vmcp_proxy.serve.legacy.fitting import fit_entry

pytestmark = pytest.mark.scenario("A-9")

TOOL = {"name": "e", "inputSchema": {"type": "object"}}
RESOURCE = {"uri": "x://e", "name": "e"}
TEMPLATE = {"uriTemplate": "x://{e}", "name": "e"}
PROMPT = {"name": "e"}
BARE = {Kind.TOOL: TOOL, Kind.RESOURCE: RESOURCE, Kind.TEMPLATE: TEMPLATE, Kind.PROMPT: PROMPT}
SECRET = "a value that no reason repeats"


def parsed(kind: Kind, raw: bytes) -> Descriptor | BadEntry:
    """What becomes of one entry."""
    page = parse_page(kind, b'{"%b":[%b]}' % (WIRE[kind].result_key.encode(), raw), ListingLimits())
    assert isinstance(page, Page)
    (entry,) = (*page.descriptors, *page.dropped)
    return entry


def read(kind: Kind, **members: object) -> Descriptor | BadEntry:
    return parsed(kind, json.dumps(BARE[kind] | members).encode())


EVERY = [
    ({"title": 5}, "title is no text"),
    ({"description": 5}, "description is no text"),
    ({"description": [SECRET]}, "description is no text"),
    ({"icons": {}}, "icons is no list"),
    ({"icons": SECRET}, "icons is no list"),
    ({"icons": [SECRET]}, "icons[0] is no object"),
    ({"icons": [None]}, "icons[0] is no object"),
    ({"icons": [{"src": "a"}, {}]}, "icons[1] has no src"),
    ({"icons": [{"src": None}]}, "icons[0].src is no text"),
    ({"icons": [{"src": "a", "mimeType": 5}]}, "icons[0].mimeType is no text"),
    ({"icons": [{"src": "a", "sizes": SECRET}]}, "icons[0].sizes is no list"),
    ({"icons": [{"src": "a", "sizes": ["any", 5]}]}, "icons[0].sizes[1] is no text"),
    ({"icons": [{"src": "a", "theme": SECRET}]}, 'icons[0].theme is no "dark" or "light"'),
    ({"_meta": []}, "_meta is no object"),
    ({"_meta": SECRET}, "_meta is no object"),
]
SCHEMA = [
    ({"$schema": 5}, "$schema is no text"),
    ({"properties": []}, "properties is no object"),
    ({"properties": {SECRET: SECRET}}, "properties.* is no object"),
    ({"properties": {"a": {}, "b": 5}}, "properties.* is no object"),
    ({"properties": {"a": None}}, "properties.* is no object"),
    ({"required": SECRET}, "required is no list"),
    ({"required": ["a", 5]}, "required[1] is no text"),
]
TOOLS = [
    ({"annotations": SECRET}, "annotations is no object"),
    ({"annotations": {"title": 5}}, "annotations.title is no text"),
    ({"annotations": {"readOnlyHint": SECRET}}, "annotations.readOnlyHint is no boolean"),
    ({"annotations": {"openWorldHint": 1}}, "annotations.openWorldHint is no boolean"),
    ({"execution": "x"}, "execution is no object"),
    (
        {"execution": {"taskSupport": SECRET}},
        'execution.taskSupport is no "forbidden" or "optional" or "required"',
    ),
    ({"outputSchema": SECRET}, "outputSchema is no object"),
    ({"outputSchema": []}, "outputSchema is no object"),
    ({"inputSchema": {"type": "array"}}, 'inputSchema.type is no "object"'),
    ({"inputSchema": {"type": ["object"]}}, 'inputSchema.type is no "object"'),
    *(({"inputSchema": {"type": "object"} | more}, f"inputSchema.{reason}") for more, reason in SCHEMA),
    *(({"outputSchema": {"type": "object"} | more}, f"outputSchema.{reason}") for more, reason in SCHEMA),
]
FILES = [
    ({"mimeType": 5}, "mimeType is no text"),
    ({"annotations": []}, "annotations is no object"),
    ({"annotations": {"audience": "user"}}, "annotations.audience is no list"),
    ({"annotations": {"audience": ["user", SECRET]}}, 'annotations.audience[1] is no "assistant" or "user"'),
    ({"annotations": {"priority": "0.5"}}, "annotations.priority is no number from 0 to 1"),
    ({"annotations": {"priority": 1.5}}, "annotations.priority is no number from 0 to 1"),
    ({"annotations": {"priority": True}}, "annotations.priority is no number from 0 to 1"),
    ({"annotations": {"lastModified": 1700000000}}, "annotations.lastModified is no text"),
]
PROMPTS = [
    ({"arguments": 5}, "arguments is no list"),
    ({"arguments": {"a": {}}}, "arguments is no list"),
    ({"arguments": [SECRET]}, "arguments[0] is no object"),
    ({"arguments": [{"name": "a"}, {"description": "b"}]}, "arguments[1] has no name"),
    ({"arguments": [{"name": 5}]}, "arguments[0].name is no text"),
    ({"arguments": [{"name": "a", "title": 5}]}, "arguments[0].title is no text"),
    ({"arguments": [{"name": "a", "description": 5}]}, "arguments[0].description is no text"),
    ({"arguments": [{"name": "a", "required": "yes"}]}, "arguments[0].required is no boolean"),
]
SIZES = [({"size": size}, "size is no whole number") for size in ("x", 1.5, True, [], SECRET)]
WRONG = [
    *((kind, members, reason) for kind in Kind for members, reason in EVERY),
    *((Kind.TOOL, members, reason) for members, reason in TOOLS),
    *((kind, members, reason) for kind in (Kind.RESOURCE, Kind.TEMPLATE) for members, reason in FILES),
    *((Kind.RESOURCE, members, reason) for members, reason in SIZES),
    *((Kind.PROMPT, members, reason) for members, reason in PROMPTS),
]


@pytest.mark.parametrize(("kind", "members", "reason"), WRONG)
def test_a_member_of_a_wrong_type_drops_its_entry_and_is_named_without_its_value(kind, members, reason):
    label = BARE[kind][WIRE[kind].member]
    assert read(kind, **members) == BadEntry(label, f"its {reason}")
    assert read(kind, **{"own": "\ud800", "_meta": None} | members) == BadEntry(label, f"its {reason}")


def test_a_size_beyond_every_number_is_none():
    entry = parsed(Kind.RESOURCE, b'{"uri":"x://e","name":"e","size":1e400}')
    assert entry == BadEntry("x://e", "its size is no whole number")


NULLS = [
    *((kind, name) for kind in Kind for name in ("title", "description", "icons", "_meta")),
    *((Kind.TOOL, name) for name in ("annotations", "execution", "outputSchema")),
    *((kind, name) for kind in (Kind.RESOURCE, Kind.TEMPLATE) for name in ("annotations", "mimeType")),
    (Kind.RESOURCE, "size"),
    (Kind.PROMPT, "arguments"),
]


@pytest.mark.parametrize(("kind", "name"), NULLS)
def test_an_optional_member_that_is_null_is_taken_out_and_all_else_stays(kind, name):
    before, after = b'{"z":[1.0,  1E2,\n null],"none":null,', b'"x":null,"a":12345678901234567890123,"s":"\\u00e9\\/"}'
    bare = json.dumps(BARE[kind], separators=(",", ":")).encode()[1:-1] + b","
    entry = parsed(kind, before + bare + b'"%b" : null ,' % name.encode() + after)
    assert isinstance(entry, Descriptor)
    assert entry.raw == before + bare + after


def test_nulls_of_inner_members_are_taken_out_where_mcp_has_optional_ones():
    tool = parsed(
        Kind.TOOL,
        b'{"inputSchema":{"type":"object","title":null,"properties":{"p":{"default":null}},"required":null},"name":"e",'
        b'"annotations":{"title":null,"readOnlyHint":true,"own":null},"icons":[{"src":"a","sizes":null},{"src": "b"}]}',
    )
    assert isinstance(tool, Descriptor)
    assert tool.raw == (
        b'{"inputSchema":{"type":"object","title":null,"properties":{"p":{"default":null}}},"name":"e",'
        b'"annotations":{"readOnlyHint":true,"own":null},"icons":[{"src":"a"},{"src": "b"}]}'
    )
    prompt = parsed(Kind.PROMPT, b'{"name":"e","arguments":[{"name":"a","description":null,"required":true}]}')
    assert isinstance(prompt, Descriptor)
    assert prompt.raw == b'{"name":"e","arguments":[{"name":"a","required":true}]}'


@pytest.mark.parametrize("member", ["inputSchema", "outputSchema"])
def test_properties_whose_schema_is_a_boolean_get_an_object_that_means_the_same(member):
    head = b'{"name":"e",' + (b'"inputSchema":{},' if member == "outputSchema" else b"")
    tool = parsed(
        Kind.TOOL,
        head + b'"%b":{"type":"object","properties":{"a":true,"b":{"x": true},"c":false}}}' % member.encode(),
    )
    assert isinstance(tool, Descriptor)
    assert tool.raw == head + (
        b'"%b":{"type":"object","properties":{"a":{},"b":{"x": true},"c":{"not":{}}}}}' % member.encode()
    )


@pytest.mark.parametrize("kind", Kind)
def test_a_required_member_that_is_null_drops_its_entry(kind):
    for name in BARE[kind]:
        assert isinstance(read(kind, **{name: None}), BadEntry)


UNFIT = [
    {"type": "array", "items": {}},
    {"type": "string"},
    {"type": ["object", "null"]},
    {"type": None},
    {"oneOf": [{"type": "object"}]},
    {"type": "array", "properties": []},
    {},
]


@pytest.mark.parametrize("schema", UNFIT)
def test_an_output_schema_of_later_revisions_stays_where_it_is_and_hides_no_fault(schema):
    raw = json.dumps({"z": 1.0, "name": "e", "outputSchema": schema, "inputSchema": {}}).encode()
    assert parsed(Kind.TOOL, raw) == Descriptor(Kind.TOOL, "e", raw)
    without_null = read(Kind.TOOL, title=None, outputSchema=schema, x=1)
    assert isinstance(without_null, Descriptor)
    assert list(json.loads(without_null.raw).items()) == [*TOOL.items(), ("outputSchema", schema), ("x", 1)]
    assert read(Kind.TOOL, title=5, outputSchema=schema) == BadEntry("e", "its title is no text")


@pytest.mark.parametrize("schema", [b'{"type":"object"}', b'{ "type": "\\u006fbject", "$defs":{"a":true}, "oneOf":[]}'])
def test_an_output_schema_whose_root_is_an_object_stays_to_the_byte(schema):
    raw = b'{"name":"e","outputSchema":%b,"inputSchema":{ }}' % schema
    assert parsed(Kind.TOOL, raw) == Descriptor(Kind.TOOL, "e", raw)


@pytest.mark.parametrize(
    "schema", [{}, {"oneOf": [{}, True]}, {"$defs": {"a": True}, "$ref": "#/$defs/a"}, {"type": "object"}]
)
def test_an_input_schema_may_say_no_type(schema):
    raw = json.dumps({"name": "e", "inputSchema": schema}).encode()
    assert parsed(Kind.TOOL, raw) == Descriptor(Kind.TOOL, "e", raw)


def test_of_a_repeated_member_the_last_one_is_judged_as_clients_do():
    good = b'{"title":5,"name":"e","title":null,"title":"t"}'
    assert parsed(Kind.PROMPT, good) == Descriptor(Kind.PROMPT, "e", good)
    assert parsed(Kind.PROMPT, b'{"title":"t","name":"e","title":5}') == BadEntry("e", "its title is no text")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
icons = st.lists(
    st.fixed_dictionaries(
        {"src": texts}, optional={"mimeType": texts, "sizes": st.lists(texts, max_size=2), "theme": st.just("dark")}
    ),
    max_size=2,
)
objects = st.dictionaries(texts, json_values, max_size=2)
schemas = st.fixed_dictionaries(
    {"type": st.just("object")},
    optional={
        "$schema": texts,
        "properties": st.dictionaries(texts, objects, max_size=2),
        "required": st.lists(texts, max_size=2),
        "oneOf": json_values,
    },
)
common = {"title": texts, "description": texts, "icons": icons, "_meta": objects, "own": json_values}
annotations = st.fixed_dictionaries(
    {},
    optional={
        "audience": st.lists(st.sampled_from(["user", "assistant"]), max_size=2),
        "priority": st.floats(0, 1) | st.sampled_from([0, 1]),
        "lastModified": texts,
        "own": json_values,
    },
)
hints = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
WELL_TYPED = {
    Kind.TOOL: common
    | {
        "inputSchema": schemas,
        "outputSchema": schemas,
        "annotations": st.fixed_dictionaries({}, optional={"title": texts, **dict.fromkeys(hints, st.booleans())}),
        "execution": st.fixed_dictionaries({}, optional={"taskSupport": st.sampled_from(["optional", "required"])}),
    },
    Kind.RESOURCE: common | {"mimeType": texts, "annotations": annotations, "size": st.integers() | st.just(5.0)},
    Kind.TEMPLATE: common | {"mimeType": texts, "annotations": annotations},
    Kind.PROMPT: common
    | {
        "arguments": st.lists(
            st.fixed_dictionaries(
                {"name": texts}, optional={"title": texts, "description": texts, "required": st.booleans()}
            ),
            max_size=2,
        )
    },
}


@st.composite
def entries(draw: st.DrawFn, kind: Kind) -> dict[str, object]:
    """An entry whose members have their types, in any order."""
    members = draw(st.fixed_dictionaries({}, optional=WELL_TYPED[kind]))
    return dict(draw(st.permutations(list((BARE[kind] | members).items()))))


@st.composite
def spoiled(draw: st.DrawFn, kind: Kind) -> dict[str, object]:
    """The same with another value in up to two places, at any depth."""
    entry = copy.deepcopy(draw(entries(kind)))
    for _ in range(draw(st.integers(0, 2))):
        place: object = entry
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
                break
            place = place[key]
        place[key] = draw(st.none() | json_values)
    return entry


def has_lone_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


@pytest.mark.parametrize("kind", Kind)
@given(data=st.data(), indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_an_entry_whose_members_have_their_types_stays_to_the_byte(kind, data, indent, ascii_only):
    entry = data.draw(entries(kind))
    cannot_be_utf8 = has_lone_surrogate(json.dumps(entry, ensure_ascii=False))
    text = json.dumps(entry, indent=indent, ensure_ascii=ascii_only or cannot_be_utf8)
    assert parsed(kind, text.encode()) == Descriptor(kind, entry[WIRE[kind].member], text.encode())


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=examples(300))
@given(data=st.data())
def test_the_sdk_reads_every_list_of_entries_that_are_kept(kind, data):
    """Its models of the revision are an oracle: what they refuse, clients refuse with the whole list."""
    entry = parsed(kind, json.dumps(data.draw(spoiled(kind))).encode())
    content = {} if isinstance(entry, BadEntry) else json.loads(fit_entry(kind, entry.raw))
    if not content or has_lone_surrogate(json.dumps(content, ensure_ascii=False)):
        return
    if kind is Kind.TOOL:
        content["inputSchema"].setdefault("type", "object")  # may be absent (A-9)
    validate_server_result(WIRE[kind].list_method, "2025-11-25", {WIRE[kind].result_key: [content]})
    assert parsed(kind, entry.raw) == entry


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=examples(300))
@given(data=st.data())
def test_what_the_decoder_takes_has_nothing_to_be_taken_out(kind, data):
    raw = json.dumps(data.draw(spoiled(kind))).encode()
    try:
        DECODE_ENTRY[kind](raw)
    except msgspec.DecodeError:
        return
    members = decode_members(raw)
    assert fit_members(ENTRY_SHAPES[kind], members) is members
