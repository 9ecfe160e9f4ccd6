"""What the store holds: bindings, fingerprints, sealed tokens, the record's form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.sessions.pods import ALICE, BOB, HEADERS, KEYS, OTHER_HEADERS
from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.protocol.methods import LOG_LEVELS
from vmcp_proxy.sessions import Keyring, SessionDigest
from vmcp_proxy.sessions.keyed.binding import bind, is_bound
from vmcp_proxy.sessions.keyed.fingerprint import fingerprint, has_fingerprint
from vmcp_proxy.sessions.keyed.sealing import seal, unseal
from vmcp_proxy.sessions.store.record import SessionRecord, parse_record

DIGEST = SessionDigest("1", "ab" * 32)
TWO_KEYS = Keyring.of({"1": b"a" * 32, "2": b"b" * 32})


def test_a_binding_belongs_to_one_caller_and_one_key():
    binding = bind(TWO_KEYS, "1", ALICE)
    assert is_bound(binding, TWO_KEYS, "1", Identity(ALICE.issuer, ALICE.subject))
    assert not is_bound(binding, TWO_KEYS, "1", BOB)
    assert not is_bound(binding, TWO_KEYS, "1", Identity("https://other.example", "alice"))
    assert not is_bound(binding, TWO_KEYS, "2", ALICE)


def test_fields_of_a_binding_cannot_run_into_each_other():
    assert bind(KEYS, "1", Identity("ab", "c")) != bind(KEYS, "1", Identity("a", "bc"))
    assert bind(KEYS, "1", Identity("anonymous", "anonymouswith")) != bind(KEYS, "1", ANONYMOUS)


@pytest.mark.scenario("S-4")
def test_only_for_anonymous_callers_the_presence_of_authorization_counts():
    assert bind(KEYS, "1", ANONYMOUS) != bind(KEYS, "1", ANONYMOUS_WITH_AUTHORIZATION)
    assert bind(KEYS, "1", Identity("i", "s")) == bind(KEYS, "1", Identity("i", "s", has_authorization=True))


def test_a_subject_with_a_lone_surrogate_binds_like_any_other():
    assert bind(KEYS, "1", Identity("i", "\ud800")) != bind(KEYS, "1", Identity("i", "\ud801"))


def test_a_fingerprint_fits_its_headers_and_its_session_only():
    expected = fingerprint(KEYS, "1", "session-a", HEADERS)
    assert has_fingerprint(expected, KEYS, "1", "session-a", HeaderSnapshot(HEADERS.items()))
    assert not has_fingerprint(expected, KEYS, "1", "session-b", HEADERS)
    assert not has_fingerprint(expected, KEYS, "1", "session-a", OTHER_HEADERS)
    assert not has_fingerprint(expected, KEYS, "1", "session-a", EMPTY_SNAPSHOT)


def test_headers_that_are_cut_at_another_place_have_another_fingerprint():
    joined = HeaderSnapshot([("A", b"1B2")])
    apart = HeaderSnapshot([("A", b"1"), ("B", b"2")])
    assert fingerprint(KEYS, "1", "s", joined) != fingerprint(KEYS, "1", "s", apart)


@given(token=st.binary(max_size=200))
def test_a_sealed_token_opens_for_its_session_and_backend_only(token):
    sealed = seal(TWO_KEYS, DIGEST, "github", token)
    assert unseal(TWO_KEYS, DIGEST, "github", sealed) == token
    assert unseal(TWO_KEYS, DIGEST, "gitlab", sealed) is None
    assert unseal(TWO_KEYS, SessionDigest("1", "cd" * 32), "github", sealed) is None
    assert unseal(TWO_KEYS, SessionDigest("2", DIGEST.hex), "github", sealed) is None
    assert unseal(TWO_KEYS, DIGEST, "github", sealed[:-1]) is None
    assert unseal(TWO_KEYS, DIGEST, "github", sealed[:5]) is None


def test_sealing_the_same_token_twice_shows_nothing_in_common():
    assert seal(KEYS, DIGEST, "github", b"token") != seal(KEYS, DIGEST, "github", b"token")


RECORD_FIELDS = (b"binding", b"fingerprint", b"protocol", b"capabilities", b"level", b"stream")
RECORDS = st.builds(
    SessionRecord,
    binding=st.binary(max_size=40),
    fingerprint=st.binary(max_size=40),
    protocol_version=st.text(max_size=12),
    client_capabilities=st.dictionaries(st.text(max_size=4), st.none() | st.booleans(), max_size=3).map(
        lambda members: json.dumps(members).encode()
    ),
    backends=st.dictionaries(st.text(max_size=12), st.binary(max_size=20), max_size=4).map(
        lambda tokens: tuple(sorted(tokens.items(), key=lambda item: item[0].encode()))
    ),
    log_level=st.none() | st.sampled_from(LOG_LEVELS),
    stream=st.none() | st.text(max_size=12),
)


@given(record=RECORDS)
def test_a_record_comes_back_from_a_hash_as_it_went(record):
    assert parse_record(record.encode() | {b"added-by-a-later-version": b"1"}) == record


@pytest.mark.parametrize("field", [b"binding", b"fingerprint", b"protocol", b"capabilities"])
def test_a_record_that_lacks_a_field_is_none(field):
    fields = SessionRecord(b"b", b"f", "2025-11-25", b"{}").encode()
    del fields[field]
    assert parse_record(fields) is None


def test_a_record_with_bytes_that_are_no_text_is_none():
    assert parse_record({**SessionRecord(b"b", b"f", "v", b"{}").encode(), b"protocol": b"\xff"}) is None


@pytest.mark.parametrize("capabilities", [b"", b"{", b"[]", b"null", b'"{}"', b"{} {}", b"\xff", b'{"roots":{]}'])
def test_a_record_whose_capabilities_are_no_object_is_none(capabilities):
    assert parse_record(SessionRecord(b"b", b"f", "v", capabilities).encode()) is None


@pytest.mark.parametrize("level", ["", "loud", "DEBUG"])
def test_a_record_with_a_log_level_that_mcp_does_not_know_is_none(level):
    assert parse_record(SessionRecord(b"b", b"f", "v", b"{}", log_level=level).encode()) is None


@given(st.dictionaries(st.sampled_from([*RECORD_FIELDS, b"backend:x", b"unknown"]), st.binary(max_size=12)))
def test_whatever_stands_in_a_hash_is_a_record_or_none(fields):
    parse_record(fields)
