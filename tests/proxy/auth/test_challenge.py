"""The challenge of a refusal: whole for a client to read, whatever stands in it, and never more than one header."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.auth.incoming.refusal import Fault, Refusal, challenge

METADATA = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
PARAMETER = re.compile(r'([a-z_]+)="([^"\\]*)"')


def read(value):
    """The parameters of one Bearer challenge, as a strict client takes them apart (RFC 9110 section 11.2)."""
    scheme, _, rest = value.decode("ascii").partition(" ")
    assert scheme == "Bearer"
    found = PARAMETER.findall(rest)
    assert ", ".join(f'{name}="{text}"' for name, text in found) == rest
    return dict(found)


def test_who_shows_nothing_is_told_where_to_ask_and_of_no_error():
    refusal = Refusal(Fault.NO_CREDENTIALS, "Present a token.", ("mcp:tools",), METADATA)
    assert read(challenge(refusal)) == {"realm": "vmcp", "scope": "mcp:tools", "resource_metadata": METADATA}


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.NO_CREDENTIALS, Fault.UNAVAILABLE}, key=str))
def test_who_shows_something_wrong_is_told_what(fault):
    parameters = read(challenge(Refusal(fault, "Get another token.", ("a", "b"))))
    assert parameters == {
        "realm": "vmcp",
        "error": fault.value,
        "error_description": "Get another token.",
        "scope": "a b",
    }


@given(message=st.text(), scopes=st.lists(st.text()), metadata=st.text())
def test_no_text_ends_its_parameter_or_the_header(message, scopes, metadata):
    value = challenge(Refusal(Fault.INVALID_TOKEN, message, tuple(scopes), metadata))
    assert all(0x20 <= byte <= 0x7E for byte in value)
    assert set(read(value)) <= {"realm", "error", "error_description", "scope", "resource_metadata"}


def test_a_refusal_brings_its_challenge_as_its_only_header():
    refusal = Refusal(Fault.INVALID_TOKEN, "It has expired.")
    assert refusal.headers == ((b"www-authenticate", challenge(refusal)),)


def test_who_cannot_be_judged_now_is_told_to_come_again_and_not_to_get_another_token():
    assert Refusal(Fault.UNAVAILABLE, "Try again.").headers == ((b"retry-after", b"5"),)
