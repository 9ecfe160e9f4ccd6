"""The table of methods, and the one reading of what a message is about."""

import msgspec
import pytest

from vmcp_proxy.protocol.kinds import WIRE, Kind
from vmcp_proxy.protocol.methods import LEGACY_METHODS, METHODS, NO_REFERENCE, Handling, read_reference
from vmcp_proxy.protocol.params import InvalidParamsError

REF = "completion/complete"


@pytest.mark.parametrize(
    ("method", "raw", "kind", "name"),
    [
        ("tools/call", b'{"name":"t"}', Kind.TOOL, "t"),
        ("tools/call", b'{"name":"t","uri":"u","ref":{"name":"p"}}', Kind.TOOL, "t"),
        ("prompts/get", b'{"name":"p"}', Kind.PROMPT, "p"),
        ("resources/read", b'{"uri":"u","name":"x"}', Kind.RESOURCE, "u"),
        ("resources/subscribe", b'{"uri":"u"}', Kind.RESOURCE, "u"),
        ("resources/unsubscribe", b'{"uri":"u"}', Kind.RESOURCE, "u"),
        (REF, b'{"ref":{"name":"p"}}', Kind.PROMPT, "p"),
        (REF, b'{"ref":{"uri":"u"},"name":"x"}', Kind.TEMPLATE, "u"),
        # Whatever its type says: a backend goes by the member, and so do we.
        (REF, b'{"ref":{"type":"ref/prompt","uri":"u"}}', Kind.TEMPLATE, "u"),
        ("tools/list", b'{"cursor":"c","name":"x"}', Kind.TOOL, ""),
        ("ping", b'{"name":"x"}', None, ""),
        ("logging/setLevel", b'{"level":"info"}', None, ""),
    ],
)
def test_a_message_is_about_what_its_method_names(method, raw, kind, name):
    read = read_reference(method, raw)
    assert (read.kind, read.name) == (kind, name)
    assert read.members == msgspec.json.decode(raw, type=dict[str, msgspec.Raw])


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("tools/call", b"{}"),
        ("tools/call", None),
        ("tools/call", b"[]"),
        ("tools/call", b'{"uri":"u"}'),
        ("resources/read", b'{"name":"x"}'),
        ("resources/read", b'{"uri":5}'),
        (REF, b"{}"),
        (REF, b'{"ref":7}'),
        (REF, b'{"ref":[]}'),
        (REF, b'{"ref":{"type":"ref/prompt"}}'),
        (REF, b'{"ref":{"uri":"u","name":"p"}}'),
        (REF, b'{"ref":{"uri":null,"name":"p"}}'),
        ("tools/list", b"7"),
    ],
)
def test_params_that_do_not_name_what_the_method_needs_are_invalid(method, raw):
    with pytest.raises(InvalidParamsError):
        read_reference(method, raw)


def test_what_is_no_method_of_mcp_is_about_nothing_whatever_it_brings():
    assert read_reference("tools/cal", b'{"name":"t"}') is NO_REFERENCE
    assert read_reference("notifications/progress", b"7") is NO_REFERENCE


def test_the_rows_of_the_table_agree_with_themselves():
    naming = {method.name for method in METHODS.values() if method.named_by}
    of_a_kind = {method.name for method in METHODS.values() if method.kind is not None}
    lists = {method.name for method in METHODS.values() if method.handling is Handling.LIST}
    assert naming == (of_a_kind - lists) | {REF}
    assert {method.name: method.kind for method in METHODS.values() if method.handling is Handling.LIST} == {
        wire.list_method: kind for kind, wire in WIRE.items()
    }
    assert set(METHODS) - set(LEGACY_METHODS) == {"server/discover", "subscriptions/listen"}
    assert [method.name for method in METHODS.values() if method.executes] == ["tools/call"]
