"""A status is read back as it was written, and whatever a proxy of another version says is read without an error."""

import json
import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.pod_status import (
    BackendReport,
    ConflictReport,
    Counts,
    DroppedReport,
    IssuerReport,
    LoadError,
    PodStatus,
    SearchReport,
    SecretReport,
    StoreReport,
    UnmatchedReport,
    decode,
    encode,
    from_document,
    to_document,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "status" / "everything.json"

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
NUMBER = st.none() | st.integers(min_value=0)
OPTIONAL = st.none() | NAME


def many(entries):
    return st.lists(entries, max_size=3).map(tuple)


BACKENDS = st.builds(
    BackendReport,
    *[TEXT] * 3,
    **dict.fromkeys(("transport", "reason", "circuit", "revision"), OPTIONAL),
    message=TEXT,
    **dict.fromkeys(("tools", "resources", "templates", "prompts"), NUMBER),
)
STATUSES = st.builds(
    PodStatus,
    contract=st.integers(min_value=0),
    config_hash=TEXT,
    load_error=st.none() | st.builds(LoadError, TEXT, TEXT),
    keys=NAME,
    store=st.builds(StoreReport, NAME, TEXT),
    issuer=st.none() | st.builds(IssuerReport, NAME, TEXT),
    rate_limits=st.none() | st.builds(StoreReport, NAME, TEXT),
    audit=st.none() | st.builds(StoreReport, NAME, TEXT),
    search=st.none() | st.builds(SearchReport, NAME, st.none() | st.builds(StoreReport, NAME, TEXT)),
    missing_secrets=many(NAME),
    key_ids=many(NAME),
    signing_key=OPTIONAL,
    invalid_secrets=many(st.builds(SecretReport, TEXT, TEXT)),
    backends=many(BACKENDS),
    conflicts=many(st.builds(ConflictReport, TEXT, TEXT, OPTIONAL, many(NAME))),
    dropped_tools=many(st.builds(DroppedReport, *[TEXT] * 4)),
    unmatched=many(st.builds(UnmatchedReport, *[TEXT] * 3)),
    counts=st.builds(Counts, *[NUMBER] * 6),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def parts(value):
    """Every part of a status, and the parts of parts."""
    if is_dataclass(value):
        yield value
        value = tuple(getattr(value, each.name) for each in fields(value))
    for each in value if isinstance(value, tuple) else ():
        yield from parts(each)


@given(status=STATUSES)
def test_a_status_is_read_back_as_it_was_written(status):
    assert decode(encode(status)) == status
    assert from_document(to_document(status)) == status


@given(status=STATUSES, more=st.dictionaries(st.text(max_size=8).filter(lambda name: name.strip()), JSON, max_size=3))
def test_members_of_another_version_change_nothing(status, more):
    document = to_document(status)
    strange = {f"x{name}": value for name, value in more.items()}
    entries = [strange | each for each in document["backends"]]
    assert from_document(strange | document | {"backends": entries, "store": strange | document["store"]}) == status


def test_a_member_that_is_renamed_at_one_end_is_missed():
    # Each member of each part is somewhere in the golden document with a value that no absent one has.
    document = golden() | {"contract": 7, "keys": "missing", "store": {"state": "unavailable", "message": "no"}}
    # It is no bridge.
    document["lack"] = "its process has not answered initialize yet"
    # It made its session keys itself.
    document |= {"keyIds": ["1", "2"], "signingKey": "1"}
    # Nobody whose callers get no token stands there.
    document["backends"][0]["callers"] = "its token endpoint is away"
    # Nor does it search for tools.
    document["search"] = {"ranking": "hybrid", "embeddings": {"state": "unavailable", "message": "no answer"}}
    document["counts"]["listedContextBytes"] = 900
    read = from_document(document)
    seen = {}
    for part in parts(read):
        unset = type(part)()
        told = {each.name for each in fields(part) if getattr(part, each.name) != getattr(unset, each.name)}
        seen.setdefault(type(part), set()).update(told)
    assert seen == {part: {each.name for each in fields(part)} for part in seen}
    assert set(seen) == {
        *(PodStatus, LoadError, StoreReport, IssuerReport, BackendReport, ConflictReport, DroppedReport),
        *(UnmatchedReport, SecretReport, SearchReport, Counts),
    }
    assert to_document(read) == document


@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_status_or_none(body):
    assert decode(body) is None or isinstance(decode(body), PodStatus)


@given(
    path=st.sampled_from([(), ("store",), ("loadError",), ("counts",), ("backends", 0), ("conflicts", 0)]),
    data=st.data(),
)
def test_a_member_of_another_type_is_read_as_if_it_were_absent_and_hides_no_other(path, data):
    document = golden()
    part = document
    for step in path:
        part = part[step]
    name = data.draw(st.sampled_from(sorted(part)))
    part[name] = data.draw(JSON)
    read, whole = from_document(document), from_document(golden())
    encode(read)
    if not path:
        field = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
        assert replace(read, **{field: getattr(whole, field)}) == whole


def test_lists_are_read_no_further_than_is_asked():
    document = {"backends": [{"name": "a"}, {"name": "b"}, 5], "conflicts": [{"losers": ["a", "b"]}]}
    read = from_document(document, most=1)
    assert read.backends == (BackendReport("a"),)
    assert read.conflicts == (ConflictReport(losers=("a",)),)


def test_half_a_surrogate_pair_stands_in_no_text_and_as_a_name_disturbs_nothing():
    half = "\ud800"
    document = {half: 1, "configHash": half + "x", "counts": {half: 1, "tools": 2}, "backends": [{half: 1}]}
    read = decode(json.dumps(document).encode())
    assert read == PodStatus(config_hash="?x", counts=Counts(tools=2), backends=(BackendReport(),))
