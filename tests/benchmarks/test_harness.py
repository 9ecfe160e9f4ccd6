"""The harness on itself: a backend and a passthrough under load, contenders that are not there, the command line."""

import asyncio
from dataclasses import replace

import pytest

from benchmarks import jobs
from benchmarks.__main__ import chosen, parse, roster_of, scale_of
from benchmarks.child import Child, python, running
from benchmarks.collector import Collector, collector
from benchmarks.contenders import binary, contextforge, ours, ruled
from benchmarks.contenders.bare import BASE
from benchmarks.contenders.roster import Peers, roster
from benchmarks.contenders.ruled import NotJudgedError
from benchmarks.contenders.site import Absent, Site
from benchmarks.issuer import Issuer, issuer
from benchmarks.redis_server import redis_address
from benchmarks.rig import QUICK, Backends, RefusedError, Rig
from benchmarks.turns import measure, seated
from benchmarks.workloads import search
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import decode_config

VOUCHING = Issuer("http://127.0.0.1:1", "http://127.0.0.1:1/jwks", "token", "stranger")


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path, roster(Peers()), QUICK)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, 4483, 9090, ("http://127.0.0.1:1/mcp", "http://127.0.0.1:2/mcp"))


def test_a_passthrough_is_measured_beside_the_direct_line(rig):
    with (
        rig.backends() as backends,
        rig.entered(rig.roster.base, backends.urls) as entrant,
        seated(rig, rig.direct(backends)) as direct,
        seated(rig, entrant) as seat,
    ):
        before = backends.requests
        turn = measure(seat, jobs.Calls(0.3))
        assert backends.requests - before == turn["count"]
        assert turn["cpu"] > 0
        assert turn["rss"] > 0
        assert turn["p50"] <= turn["p99"]
        assert "cpu" not in measure(direct, jobs.Calls(0.1))


def test_a_paced_load_keeps_its_rate(rig):
    with rig.backends() as backends, seated(rig, rig.direct(backends)) as direct:
        done = direct.load.do(jobs.Calls(1.0, rate=200.0))
    assert 120 <= done.count <= 240


def test_large_results_and_event_streams_arrive_whole(rig):
    with rig.backends(is_sse=True) as backends, seated(rig, rig.direct(backends)) as direct:
        assert direct.load.do(jobs.Calls(0.1, "blob", 100_000)).count > 0


def test_a_contender_that_answers_wrongly_is_refused_and_says_why(rig):
    with rig.backends() as backends, seated(rig, rig.direct(backends)) as direct:
        with pytest.raises(RefusedError, match="no tool"):
            direct.load.do(jobs.Calls(0.1, "missing"))
        assert direct.load.do(jobs.Calls(0.1)).count > 0


def test_a_contender_that_does_not_start_is_refused(rig):
    broken = ours.contender("broken", "broken", lambda _: {"contract": 0})
    with pytest.raises(RefusedError, match="ended before it was ready"), rig.entered(broken, ()):
        pass


def test_the_contender_with_everything_on_lets_its_load_in_and_nobody_without_a_token(tmp_path):
    with issuer() as vouching, collector() as taking:
        rig = Rig(tmp_path, roster(Peers(), vouching, collector=taking), QUICK)
        (secured,) = rig.roster.secured
        with rig.backends() as backends, rig.entered(secured, backends.urls) as entrant:
            with seated(rig, entrant) as seat:
                assert seat.load.do(jobs.Calls(0.1)).count > 0
            with pytest.raises(RefusedError, match="401"), seated(rig, replace(entrant, authorization="")):
                pass


def test_the_contenders_with_limits_limit_nothing_that_the_load_does(tmp_path):
    with redis_address(tmp_path) as redis:
        rig = Rig(tmp_path, roster(Peers(), redis=redis), QUICK)
        assert len(rig.roster.limited) == 2
        for contender in rig.roster.limited:
            with (
                rig.backends() as backends,
                rig.entered(contender, backends.urls) as entrant,
                seated(rig, entrant) as seat,
            ):
                assert seat.load.do(jobs.Calls(0.1)).count > 0


def test_peers_that_are_not_there_are_told_of(tmp_path):
    found = roster(Peers(agentgateway=tmp_path / "agentgateway", contextforge=tmp_path))
    assert {each.title for each in found.absent} == {
        "agentgateway (Rust)",
        "ToolHive vMCP (Go)",
        "FastMCP proxy",
        "ContextForge",
    }
    assert all(each.reason.startswith("not installed") for each in found.absent)
    assert found.base.name == BASE


def test_a_binary_that_is_there_takes_part(tmp_path):
    program = tmp_path / "agentgateway"
    program.write_text("#!/bin/sh\necho 1.2.3\n")
    program.chmod(0o755)
    found = binary.agentgateway(program)
    assert not isinstance(found, Absent)
    assert found.version == "1.2.3"
    assert found.launch(Site(tmp_path, 4483, 9090, ())).command[0] == str(program)


def test_a_version_in_a_line_of_a_log_is_found(tmp_path):
    program = tmp_path / "toolhive"
    program.write_text("""#!/bin/sh\necho '{"level":"INFO","msg":"vmcp version: v1.2.3-4"}' >&2\n""")
    program.chmod(0o755)
    found = binary.toolhive(program)
    assert not isinstance(found, Absent)
    assert found.version == "v1.2.3-4"


def test_our_own_configs_are_valid(site):
    for config in (ours.plain_config, ours.full_config, ours.with_redis(ours.plain_config, "127.0.0.1:6379")):
        decoded = decode_config(site.write("config.json", config(site)).read_text(), "config.json")
        assert not isinstance(decoded, Problems), decoded


def test_what_has_one_thing_on_has_a_valid_config(site):
    taking = Collector("http://127.0.0.1:1")
    for each in ours.alone(VOUCHING, taking):
        each.launch(site)
        decoded = decode_config((site.folder / "config.yaml").read_text(), "config.yaml")
        assert not isinstance(decoded, Problems), f"{each.name}: {decoded}"


def test_a_gateway_that_lets_everybody_in_is_found_out(tmp_path):
    with running(Child(python("backend"), tmp_path / "log")) as child:
        port = Backends(child).ports[0]
        with pytest.raises(NotJudgedError, match="without a token"):
            asyncio.run(ruled._see_judged(VOUCHING, port))


def test_the_peer_has_as_many_rules_as_we_have_policies(site):
    config = ruled.config(VOUCHING, site, 4483, (1, 2))
    route = config["binds"][0]["listeners"][0]["routes"][0]
    assert len(route["policies"]["mcpAuthorization"]["rules"]) == 20
    assert "\n".join(ours.POLICIES).count("@id(") == 20
    assert route["policies"]["jwtAuth"]["mode"] == "strict"


def test_configs_of_peers_name_every_backend(site):
    for config in (binary.agentgateway_config(site, 4483, (1, 2)), binary.toolhive_config(site)):
        assert all(url in str(config) for url in site.backends)
    assert contextforge.settings(site, "key")["DATABASE_URL"].startswith("sqlite:///")


def test_contenders_are_chosen_by_name_beside_the_passthrough_that_counts():
    few = roster_of(roster(Peers()), "vmcp,vmcp-limited")
    assert [each.name for each in few.all] == [BASE, "vmcp", "vmcp-limited"]
    with pytest.raises(ValueError, match="no contender nobody; there are bare"):
        roster_of(roster(Peers()), "nobody")


def test_workloads_are_chosen_by_name_and_unknown_ones_are_refused(capsys):
    assert chosen("echo,large") == ("echo", "large")
    assert scale_of(parse(["--quick", "--turns", "2"])).turns == 2
    with pytest.raises(SystemExit):
        parse(["--only", "nothing"])
    assert "no workload nothing" in capsys.readouterr().err


def test_ranking_is_measured_in_a_process_of_its_own(rig):
    result = search.run(rig)
    assert [row.note for row in result.rows] == ["", ""]
    words, fused = result.rows
    assert fused.median("rss") > words.median("rss") > 0
    assert all(row.median(metric.key) > 0 for row in result.rows for metric in result.metrics)
