"""`kubectl vmcp` through a program that stands for kubectl; on a real cluster it is tried in e2e."""

import asyncio
import json
import re
from datetime import UTC, datetime

import pytest

from tests.proxy.cli.commands import call_vmcp
from tests.proxy.cli.kube.conftest import LABELS, condition, endpoint, operator, pod
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from tests.support.serving import admin_of
from vmcp_api.naming import ADMIN_PORT, MCP_PORT
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.kube import main as main_module
from vmcp_proxy.cli.kube.figures import figures_of, parse_scrape, quantile

FORBIDDEN = 'Error from server (Forbidden): deployments.apps is forbidden: User "eve" cannot list resource'
DOWN = {
    "phase": "Degraded",
    "backendSummary": "0/1",
    "conditions": [condition("Ready", "False", "NoBackendAvailable", "no backend answers: web")],
    "backends": [{"name": "web", "kind": "MCPServerEntry", "status": "unavailable", "message": "it does not resolve"}],
    "conflicts": [{"kind": "tool", "name": "fetch", "backends": ["web", "docs"]}],
}


@pytest.mark.scenario("K-28")
def test_endpoints_are_listed_with_their_phase_and_one_that_is_not_ready_is_an_exit_code(kube):
    done = kube.call("status")
    assert (done.code, done.err) == (Exit.OK, "")
    assert re.search(r"^default +tools +Ready +1/1 +3 +1/1 +http://vmcp-tools\.default\.svc", done.out, re.MULTILINE)
    kube.objects.append(endpoint("other", "elsewhere", **DOWN))
    done = kube.call("status", "-A")
    assert done.code == Exit.FAILED
    assert re.search(r"^elsewhere +other +Degraded +0/1", done.out, re.MULTILINE)


@pytest.mark.scenario("K-28")
def test_one_endpoint_is_shown_with_its_backends_and_conflicts(kube):
    kube.objects[0] = endpoint(**DOWN)
    done = kube.call("status", "tools")
    assert re.search(r"^web +MCPServerEntry +unavailable +- +it does not resolve$", done.out, re.MULTILINE)
    assert "conflict: tool fetch of web, docs, served by nobody" in done.out
    document = json.loads(kube.call("status", "tools", "-o", "json").out)
    assert document[0]["status"]["backends"] == DOWN["backends"]


@pytest.mark.scenario("T-1")
def test_an_endpoint_with_tool_search_is_shown_with_what_a_list_costs_without_and_with_it(kube):
    line = "tool search: lists have 2,076 bytes instead of 309,735\n"
    assert "tool search" not in kube.call("status", "tools").out
    kube.objects[0]["status"] |= {"contextBytes": 309_735, "listedContextBytes": 2_076}
    assert line in kube.call("status", "tools").out


def test_a_status_of_an_older_generation_is_not_ready(kube):
    kube.objects[0]["metadata"]["generation"] = 2
    assert kube.call("status").code == Exit.FAILED


@pytest.mark.scenario("K-28")
def test_the_doctor_names_what_to_mend_and_all_is_well_is_said(kube):
    done = kube.call("doctor", "tools")
    assert (done.code, done.out) == (Exit.OK, "VirtualMCPServer default/tools: Ready\nnothing to mend\n")
    kube.objects[0] = endpoint(**DOWN)
    done = kube.call("doctor")
    assert done.code == Exit.FAILED
    assert " 1. [stops it] MCPServerEntry web: Unavailable\n      it does not resolve\n" in done.out
    [found] = json.loads(kube.call("doctor", "-o", "json").out)
    assert found["findings"][0] == {
        "subject": "MCPServerEntry web",
        "weight": "stops",
        "reason": "Unavailable",
        "message": "it does not resolve",
    }


def crash_looping():
    """An endpoint with a backend whose process ends again and again, beside one that serves."""
    ended = {"exitCode": 3, "reason": "Error"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}
    container = {"name": "mcp", "restartCount": 4, "state": waiting, "lastState": {"terminated": ended}}
    labels = {**LABELS, "app.kubernetes.io/name": "mcp-server", "app.kubernetes.io/instance": "notes"}
    said = "container 'mcp' ends again and again with exit code 3: Error"
    ready = condition("Ready", "False", "CrashLoop", said)
    return [
        endpoint(
            phase="Degraded",
            conditions=[condition("Ready", "True", "BackendsUnavailable", "1 of 2 backends do not answer: notes")],
            backends=[
                {"name": "docs", "kind": "MCPServer", "status": "ready"},
                {"name": "notes", "kind": "MCPServer", "status": "unavailable", "message": said},
            ],
        ),
        operator(),
        {
            "kind": "MCPServer",
            "metadata": {"name": "notes", "namespace": "default"},
            "status": {"phase": "Failed", "conditions": [ready]},
        },
        {
            "kind": "Pod",
            "metadata": {"name": "mcp-notes-0", "namespace": "default", "labels": labels},
            "status": {"phase": "Running", "containerStatuses": [container]},
        },
    ]


@pytest.mark.scenario("K-28", "K-18")
def test_the_doctor_names_a_crash_loop_first_with_its_exit_code_and_the_last_line_of_its_log(kube):
    kube.objects[:] = crash_looping()
    kube.log = "Traceback\n  File main.py\nKeyError: \x1b[31m'DATABASE_URL'\n\n"
    done = kube.call("doctor", "tools")
    assert done.code == Exit.FAILED
    assert done.out.splitlines()[1:] == [
        " 1. [limits it] MCPServer notes: CrashLoop",
        "      container 'mcp' ends again and again with exit code 3: Error",
        "      the last line of its log: KeyError:  [31m'DATABASE_URL'",
    ]
    assert kube.calls[-1].startswith("logs mcp-notes-0 --container=mcp --tail=20 --request-timeout")


@pytest.mark.scenario("K-28", "K-18")
def test_of_a_process_that_runs_again_the_log_of_the_run_before_is_read_while_it_is_there(kube):
    kube.objects[:] = crash_looping()
    running = {"startedAt": datetime.now(UTC).isoformat()}
    kube.objects[-1]["status"]["containerStatuses"][0]["state"] = {"running": running}
    kube.log = "unable to retrieve container logs for containerd://f55530fb59fbe8c69c1ad0beea34c56f13169020"
    assert "last line" not in kube.call("doctor", "tools").out
    assert kube.calls[-1].startswith("logs mcp-notes-0 --container=mcp --tail=20 --previous")


@pytest.mark.scenario("K-28")
def test_a_crash_loop_is_told_without_a_log_that_the_person_may_not_read(kube):
    kube.objects[:] = crash_looping()
    kube.log, kube.refused["mcp-notes-0"] = "KeyError", "Error from server (Forbidden): pods/log is forbidden"
    done = kube.call("doctor", "tools")
    assert done.code == Exit.FAILED
    assert "exit code 3" in done.out
    assert "last line" not in done.out
    assert "note: you: (Forbidden): pods/log is forbidden" in done.out


@pytest.mark.scenario("K-28")
def test_the_doctor_is_a_command_of_vmcp_too(kube, capsys):
    kube.call("doctor")
    assert call_vmcp(capsys, "doctor", "tools").out == "VirtualMCPServer default/tools: Ready\nnothing to mend\n"


@pytest.mark.scenario("K-28")
def test_what_the_person_may_not_read_is_a_note_and_the_rest_is_judged(kube):
    kube.refused["deployments.apps"] = FORBIDDEN
    done = kube.call("doctor")
    assert done.code == Exit.OK
    assert 'note: you: (Forbidden): deployments.apps is forbidden: User "eve"' in done.out


def test_options_choose_the_cluster_and_the_namespace(kube):
    kube.call("status", "-n", "default", "--context", "staging", "--kubeconfig", "my.config")
    assert kube.calls[-1].startswith(
        "get --context=staging --kubeconfig=my.config --namespace=default virtualmcpservers"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("status", "tolls"), Exit.FAILED, "has no VirtualMCPServer tolls; did you mean 'tools'?"),
        (("doctor", "far"), Exit.FAILED, "there is one in namespace elsewhere: name it by -n"),
        (("doctor", "-n", "empty"), Exit.FAILED, "namespace empty has no VirtualMCPServer; name another one by -n"),
        (("top", "-n", "elsewhere"), Exit.UNAVAILABLE, "no pod of it is ready; kubectl vmcp doctor says why"),
        (("tools",), Exit.UNAVAILABLE, "unable to forward port because pod is not running"),
        (("status", "-A", "tools"), Exit.USAGE, "-A does not go with NAME and -n."),
        (("logs", "tools", "--operator"), Exit.USAGE, "NAME, --server and --operator do not go together."),
        (("logs", "--server", "nots"), Exit.FAILED, "has no MCPServer nots; did you mean 'notes'?"),
        (("stats",), Exit.USAGE, "No such command 'stats'; did you mean 'status'?"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_cannot_be_done_is_told_with_what_to_do(kube, arguments, code, words):
    notes = {"kind": "MCPServer", "metadata": {"name": "notes", "namespace": "default"}}
    kube.objects += [endpoint("far", "elsewhere"), notes]
    done = kube.call(*arguments)
    assert done.code == code
    assert words in done.err


def test_several_endpoints_have_to_be_told_apart(kube):
    kube.objects.append(endpoint("other"))
    assert "Name one of tools, other." in kube.call("top").err


@pytest.mark.parametrize(
    ("stderr", "code", "words"),
    [
        (
            'error: the server doesn\'t have a resource type "virtualmcpservers"',
            1,
            "install the chart vmcp-operator-crds",
        ),
        ("Error from server (Forbidden): virtualmcpservers is forbidden", 1, "ask for the right to read"),
        (
            'E1130 09:53:44.21 memcache.go:265] "Unhandled Error" err="no answer"\nThe connection was refused',
            4,
            "vmcp: kubectl: The connection was refused; check the context",
        ),
        (
            "Unable to connect to the server: dial tcp: no such host",
            4,
            "check the context and whether the cluster is up",
        ),
    ],
)
def test_a_cluster_that_does_not_answer_is_told_in_the_words_of_kubectl(kube, stderr, code, words):
    kube.refused["virtualmcpservers"] = stderr
    done = kube.call("status")
    assert done.code == code
    assert words in done.err


def test_without_kubectl_it_is_said_what_to_install(kube, monkeypatch):
    monkeypatch.setenv("KUBECTL", "no-such-program")
    done = kube.call("status")
    assert done.code == Exit.UNAVAILABLE
    assert "there is no kubectl; install it, or name one by KUBECTL" in done.err


@pytest.mark.scenario("K-28")
async def test_tools_explain_and_top_ask_a_pod_through_a_forwarded_port(kube):
    async with scene({"one": ScriptedBackend()}) as world, world.session() as client:
        kube.ports = {str(MCP_PORT): port_of(world.url), str(ADMIN_PORT): port_of(admin_of(world.proxy))}
        kube.objects.append(pod("vmcp-tools-2"))
        tools = await asyncio.to_thread(kube.call, "tools", "tools")
        explained = await asyncio.to_thread(kube.call, "explain", "tools", "one_echo")
        watching = asyncio.create_task(asyncio.to_thread(kube.call, "top", "--seconds", "0.5", "-o", "json"))
        while not watching.done():
            await client.call("one_echo")
        top = await watching
    assert (tools.code, explained.code, top.code) == (0, 0, 0), (tools.err, explained.err, top.err)
    assert "one_echo" in tools.out
    assert explained.out.startswith("tool one_echo for anonymous: allowed")
    document = json.loads(top.out)
    # Both pods of the play are the same process.
    assert (document["pods"], document["sessions"]) == (2, 2)
    assert document["requestsPerSecond"] > 0
    assert document["backends"][0]["name"] == "one"
    assert document["backends"][0]["errorsPercent"] == 0
    assert document["backends"][0]["p95Milliseconds"] > 0
    assert [each.split()[0] for each in kube.calls].count("port-forward") == 4


def port_of(url):
    return int(re.search(r":(\d+)", url)[1])


SCRAPE = """
# TYPE vmcp_sessions gauge
vmcp_sessions {sessions}
# TYPE mcp_client_operation_duration_seconds histogram
mcp_client_operation_duration_seconds_bucket{{backend="web",error_type="",le="0.1"}} {fast}
mcp_client_operation_duration_seconds_bucket{{backend="web",error_type="",le="+Inf"}} {fast}
mcp_client_operation_duration_seconds_count{{backend="web",error_type=""}} {fast}
mcp_client_operation_duration_seconds_count{{backend="web",error_type="timeout"}} {failed}
"""


def scraped(sessions, fast, failed):
    return parse_scrape(SCRAPE.format(sessions=sessions, fast=fast, failed=failed))


def test_figures_are_what_grew_on_all_pods_together_and_a_restarted_pod_counts_from_zero():
    before = [scraped(3, 100, 10), scraped(2, 500, 50)]
    after = [scraped(4, 130, 20), scraped(1, 50, 10)]
    figures = figures_of(before, after, 10.0)
    assert figures.sessions == 5
    [web] = figures.backends
    assert (web.name, web.rate, web.errors) == ("web", 10.0, 20.0)
    assert web.p95 == pytest.approx(95.0)
    assert (figures.whole.rate, figures.whole.errors, figures.whole.p95) == (0.0, None, None)


@pytest.mark.parametrize(
    ("buckets", "milliseconds"),
    [
        ({}, None),
        ({0.1: 0.0, float("inf"): 0.0}, None),
        ({0.1: 100.0, float("inf"): 100.0}, 95.0),
        ({0.1: 90.0, 0.2: 100.0, float("inf"): 100.0}, 150.0),
        ({0.1: 90.0, float("inf"): 100.0}, 100.0),
    ],
)
def test_a_quantile_is_read_off_a_histogram_as_prometheus_does(buckets, milliseconds):
    found = quantile(buckets, 0.95)
    assert found == (None if milliseconds is None else pytest.approx(milliseconds))


@pytest.mark.parametrize("name", list(main_module.SUBCOMMANDS))
def test_the_reference_documents_every_option(name):
    from tests.proxy.cli.test_main import REFERENCE

    command = main_module.plugin.get_command(None, name)
    section = REFERENCE.read_text(encoding="utf-8").partition("## kubectl vmcp\n")[2].partition("\n## ")[0]
    for parameter in command.params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert f"`{option}" in section, f"{option} of kubectl vmcp {name}"
