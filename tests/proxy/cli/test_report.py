"""What a person is told, line by line, of backends and of the session store."""

import logging

import pytest

from vmcp_api.config import Backend, ProxyConfig, Transport
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.sessions import SessionStorage, StorageProvider
from vmcp_proxy.cli.report import BackendState, Line, Observed, Patience, changes, describe_place, observe, silent_line

CANARY = "canary-4711"
STDIO = Backend(name="b", kind="MCPServer", transport=Transport.STDIO, command=("prog", "--key", CANARY))
HTTP = Backend(
    name="h",
    kind="MCPServerEntry",
    transport=Transport.STREAMABLE_HTTP,
    url=f"https://h.example:8443/{CANARY}?key={CANARY}",
)


def config(*backends, **settings):
    return ProxyConfig(name="v", incoming_auth=IncomingAuth(type=IncomingAuthType.LOCAL), backends=backends, **settings)


def status(*backends, store="ok", message="", unmatched=()):
    return {"store": {"state": store, "message": message}, "backends": list(backends), "unmatched": list(unmatched)}


def backend(name, state, message=""):
    return {"name": name, "status": state, "message": message}


def fields(line):
    return dict(line.fields)


def test_an_unreachable_backend_is_told_with_its_origin_and_a_remedy_but_no_path_or_query():
    (line,) = changes(None, observe(status(backend("h", "unhealthy", "cannot be reached")), config(HTTP)))
    assert line.event == "backend is unhealthy"
    assert fields(line)["address"] == "https://h.example:8443"
    assert "runs there" in fields(line)["remedy"]
    assert CANARY not in repr(line)


def test_a_program_that_fails_is_told_by_its_name_without_arguments():
    (line,) = changes(None, observe(status(backend("b", "unhealthy", "is not running")), config(STDIO)))
    assert fields(line)["program"] == "prog"
    assert "in a shell" in fields(line)["remedy"]
    assert CANARY not in repr(line)


def test_a_message_that_brings_its_remedy_gets_no_second_one():
    told = observe(status(backend("b", "unhealthy", "is not there; install it")), config(STDIO))
    (line,) = changes(None, told)
    assert "remedy" not in fields(line)


def test_a_group_without_backends_is_told_once_and_again_when_the_last_one_leaves():
    empty = Observed("", {})
    (line,) = changes(None, empty)
    assert (line.level, line.event) == (logging.WARNING, "there is no backend")
    assert not list(changes(empty, empty))
    before = Observed("", {"a": BackendState("healthy")})
    assert [line.event for line in changes(before, empty)] == ["backend is removed", "there is no backend"]


def test_a_store_that_is_away_is_told_with_its_address():
    storage = SessionStorage(provider=StorageProvider.REDIS, address="redis.example:6379")
    seen = observe(status(backend("h", "unknown"), store="away", message="no"), config(HTTP, session_storage=storage))
    (line,) = changes(None, seen)
    assert fields(line)["address"] == "redis.example:6379"
    back = observe(status(backend("h", "unknown")), config(HTTP, session_storage=storage))
    assert list(changes(seen, back)) == [Line(logging.INFO, "session store is back")]


def test_a_silent_backend_is_named_once_and_again_only_after_it_spoke():
    patience = Patience(5)
    assert patience.overdue(frozenset({"a", "b"}), 0) == ()
    assert patience.overdue(frozenset({"a", "b"}), 4.9) == ()
    assert patience.overdue(frozenset({"a"}), 5.0) == ("a",)
    assert patience.overdue(frozenset({"a"}), 6.0) == ()
    assert patience.overdue(frozenset(), 7.0) == ()
    assert patience.overdue(frozenset({"a"}), 8.0) == ()
    assert patience.overdue(frozenset({"a"}), 13.0) == ("a",)


@pytest.mark.scenario("A-4")
def test_a_setting_that_matches_nothing_is_told_once_and_again_only_when_another_one_does():
    entry = {"backend": "h", "setting": "filter", "name": "nothing"}
    unknown = {"backend": "x", "setting": "workload", "name": "x"}
    one, both = (
        observe(status(backend("h", "unknown"), unmatched=each), config(HTTP)) for each in ([entry], [entry, unknown])
    )
    (line,) = changes(None, one)
    assert (line.level, line.event) == (logging.WARNING, "a setting matches nothing")
    assert fields(line) == {
        "backend": "h",
        "setting": "filter",
        "entry": "nothing",
        "remedy": "correct the name, or remove the entry",
    }
    assert list(changes(one, one)) == []
    (line,) = changes(one, both)
    assert (fields(line)["backend"], fields(line)["remedy"]) == ("x", "name a member of the group")
    assert list(changes(both, one)) == []


@pytest.mark.parametrize(("member", "key"), [(STDIO, "program"), (HTTP, "address")])
def test_the_line_of_a_silent_backend_says_where_to_look(member, key):
    line = silent_line(member.name, describe_place(member))
    assert {"name", "message", key, "remedy"} == set(fields(line))
    assert CANARY not in repr(line)
