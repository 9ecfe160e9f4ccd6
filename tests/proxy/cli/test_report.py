"""What a person is told, line by line, of backends and of the session store."""

import logging

import pytest

from vmcp_api.config import Backend, ProxyConfig, Transport
from vmcp_api.config.sessions import StorageConfig
from vmcp_api.pod_status import from_document
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.sessions import StorageProvider
from vmcp_proxy import http_client
from vmcp_proxy.auth.outgoing.errors import EndpointAwayError
from vmcp_proxy.backends.over_http import translate
from vmcp_proxy.cli.serve.lines import SHOWN, Line, changes, silent_line
from vmcp_proxy.cli.serve.observed import BackendState, Observed, describe_place, observe
from vmcp_proxy.cli.serve.report import Patience, ToldClashes

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


def status(*backends, store="ok", message="", unmatched=(), conflicts=(), dropped=(), digest="1"):
    document = {
        "configHash": digest,
        "store": {"state": store, "message": message},
        "backends": list(backends),
        "conflicts": list(conflicts),
        "droppedTools": list(dropped),
        "unmatched": list(unmatched),
    }
    return from_document(document)


def backend(name, state, message="", **counts):
    return {"name": name, "status": state, "message": message, **counts}


def conflict(name, winner, *losers, kind="tool"):
    return {"kind": kind, "name": name, "winner": winner, "losers": list(losers)}


def lines(before, after, *members):
    """The lines between two statuses; `before` may be None."""
    past = None if before is None else observe(before, config(*members))
    return list(changes(past, observe(after, config(*members))))


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
    storage = StorageConfig(provider=StorageProvider.REDIS, address="redis.example:6379")
    unasked = status(backend("h", "unknown"), store="unknown", message="not asked yet")
    assert list(changes(None, observe(unasked, config(HTTP, session_storage=storage)))) == []
    away = status(backend("h", "unknown"), store="unavailable", message="no")
    seen = observe(away, config(HTTP, session_storage=storage))
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


def test_a_name_that_nobody_serves_is_told_once_with_who_claims_it_and_what_to_do():
    seen = status(conflicts=[conflict("echo", None, "a", "b")])
    (line,) = lines(status(), seen)
    assert (line.level, line.event) == (logging.WARNING, "a name is served by nobody")
    said = fields(line)
    assert (said["kind"], said["name"], said["claimed_by"]) == ("tool", "echo", ["a", "b"])
    assert "overrides" in said["remedy"]
    assert lines(seen, seen) == []


def test_a_conflict_is_told_again_when_it_changes():
    withheld, won = (status(conflicts=[conflict("echo", *who)]) for who in ((None, "a", "b"), ("a", "b")))
    (line,) = lines(withheld, won)
    assert line.event == "a name is claimed twice"
    assert (fields(line)["served_by"], fields(line)["lost_by"]) == ("a", ["b"])
    assert lines(won, status()) == []


def test_a_uri_that_two_backends_have_brings_no_remedy_for_names():
    (line,) = lines(status(), status(conflicts=[conflict("test://a", "a", "b", kind="resource")]))
    assert "remedy" not in fields(line)


def test_an_entry_that_is_dropped_is_told_once_with_the_reason():
    entry = {"backend": "b", "kind": "tool", "name": "#2", "reason": "it has no name"}
    (line,) = lines(status(), status(dropped=[entry]))
    assert (line.level, line.event, fields(line)) == (logging.WARNING, "an entry is not served", entry)
    assert lines(status(dropped=[entry]), status(dropped=[entry])) == []


def test_a_thousand_conflicts_are_counted_rather_than_told():
    told = lines(status(), status(conflicts=[conflict(f"t{number}", None, "a", "b") for number in range(1000)]))
    assert len(told) == SHOWN + 1
    assert fields(told[-1]) == {"lines": 1000 - SHOWN, "see": "/status"}


def test_a_list_that_is_cut_off_is_a_warning_beside_the_backend_being_up():
    cut_off = status(backend("h", "healthy", "its nextCursor repeats", tools=3))
    up, incomplete = lines(status(backend("h", "unknown")), cut_off, HTTP)
    assert (up.level, up.event, fields(up)) == (logging.INFO, "backend is up", {"name": "h", "tools": 3})
    assert (incomplete.level, incomplete.event) == (logging.WARNING, "backend is incomplete")
    assert fields(incomplete)["message"] == "its nextCursor repeats"
    (line,) = lines(status(backend("h", "healthy", tools=3)), cut_off, HTTP)
    assert line == incomplete
    assert lines(cut_off, status(backend("h", "healthy", "its nextCursor repeats", tools=2), digest="2"), HTTP) == []


def test_an_edit_of_a_filter_says_nothing_of_a_backend_that_was_up_all_along():
    before = status(backend("h", "healthy", tools=3))
    assert lines(before, status(backend("h", "healthy", tools=1), digest="2"), HTTP) == []
    assert lines(before, status(backend("h", "healthy"), digest="2"), HTTP) == []
    hidden = status(backend("h", "healthy"))
    assert lines(hidden, status(backend("h", "healthy", tools=3), digest="2"), HTTP) == []


def test_a_name_lost_to_a_backend_that_joins_is_no_news_of_the_lists():
    (line,) = lines(
        status(backend("h", "healthy", tools=3)),
        status(backend("h", "healthy", tools=2), conflicts=[conflict("echo", None, "a", "h")]),
        HTTP,
    )
    assert line.event == "a name is served by nobody"


def test_a_backend_that_lists_something_else_is_told_as_that():
    (line,) = lines(status(backend("h", "healthy", tools=3)), status(backend("h", "healthy", tools=4)), HTTP)
    assert (line.event, fields(line)) == ("backend's lists changed", {"name": "h", "tools": 4})


def test_a_backend_that_comes_back_is_up_again():
    (line,) = lines(status(backend("h", "unhealthy", "x")), status(backend("h", "healthy", tools=3), digest="2"), HTTP)
    assert line.event == "backend is up"


def test_refused_credentials_point_at_where_they_are_set():
    (line,) = lines(None, status(backend("h", "unauthenticated", "refused the credentials")), HTTP)
    assert "headerForward" in fields(line)["remedy"]


def test_a_token_endpoint_that_is_away_points_there_and_not_at_headers():
    said = str(EndpointAwayError("its token endpoint", "answers with HTTP status 500"))
    (line,) = lines(None, status(backend("h", "unauthenticated", f"backend 'h' was not asked ({said})")), HTTP)
    assert fields(line)["remedy"] == "see that the token endpoint runs there, or correct tokenUrl"


def test_a_name_that_does_not_resolve_points_at_the_host_name():
    said = str(translate("h", http_client.ConnectFailed(http_client.NAME_UNKNOWN)))
    (line,) = lines(None, status(backend("h", "unhealthy", said)), HTTP)
    assert "host name" in fields(line)["remedy"]


def test_names_that_are_lost_to_others_stand_beside_what_is_served():
    after = status(
        backend("a", "healthy", tools=2),
        backend("b", "healthy"),
        conflicts=[conflict("x", "a", "b"), conflict("y", None, "a", "b")],
    )
    up = [fields(line) for line in lines(None, after) if line.event == "backend is up"]
    assert up == [{"name": "a", "tools": 2, "lost_to_conflicts": 1}, {"name": "b", "tools": 0, "lost_to_conflicts": 2}]


def test_a_name_that_is_claimed_twice_is_told_once_however_often_a_backend_comes_back():
    told = ToldClashes()
    both = observe(status(conflicts=[conflict("x", "a", "b")]), config())
    alone = observe(status(), config())
    edited = observe(status(conflicts=[conflict("x", "a", "b")], digest="2"), config())
    assert [told.told(each) for each in (both, alone, both, edited)] == [both.clashes] * 4
    assert told.told(observe(status(digest="3"), config())) == ()
