"""The validator: closed documents, plain words, and no secret in any of them."""

import pytest

from tests.api.manifests import build, manifest, problems_of
from vmcp_api.kinds import KINDS, VirtualMCPServer
from vmcp_api.manifests.problems import Problem, Problems, Severity, format_path
from vmcp_api.manifests.validate import validate


def only(problems: Problems) -> Problem:
    (problem,) = problems
    return problem


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize(
    ("spec", "path", "remedy"),
    [
        ({"group_ref": {"name": "a"}}, "spec.group_ref", "did you mean 'groupRef'?"),
        ({"passthroughHeader": []}, "spec.passthroughHeader", "did you mean 'passthroughHeaders'?"),
        ({"config": {"agregation": {}}}, "spec.config.agregation", "did you mean 'aggregation'?"),
        (
            {"config": {"zzz": {}}},
            "spec.config.zzz",
            (
                "known keys: aggregation, audit, compositeToolRefs, compositeTools, instructions, operational, "
                "optimizer, rateLimiting"
            ),
        ),
        (
            {"config": {"aggregation": {"tools": [{"workload": "a", "overrides": {"t": {"nam": "x"}}}]}}},
            "spec.config.aggregation.tools[0].overrides.t.nam",
            "did you mean 'name'?",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_what_was_meant(spec, path, remedy):
    problem = only(problems_of("VirtualMCPServer", **spec))
    assert (problem.path, problem.message, problem.remedy) == (path, "is an unknown key", remedy)


@pytest.mark.parametrize("kind", KINDS)
def test_snake_case_keys_are_refused_even_where_the_model_has_such_a_field(kind):
    document = manifest(kind)
    document["api_version"] = document.pop("apiVersion")
    problems = validate(KINDS[kind], document)
    assert isinstance(problems, Problems)
    assert {problem.path for problem in problems} == {"apiVersion", "api_version"}


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize(
    ("spec", "path", "said"),
    [
        ({"groupRef": None}, "spec.groupRef", "must be a mapping (found nothing); write it with the keys name"),
        ({"groupRef": {}}, "spec.groupRef.name", "is required; add it"),
        ({"groupRef": {"name": "No_Good"}}, "spec.groupRef.name", "has the wrong form; write lower-case"),
        ({"incomingAuth": {"type": "local"}}, "spec.incomingAuth.type", "(found 'local'); write anonymous"),
        ({"serviceType": "clusterip"}, "spec.serviceType", "write ClusterIP or NodePort or LoadBalancer"),
        ({"replicas": "2"}, "spec.replicas", "must be a whole number (found text); write a whole number"),
        ({"replicas": True}, "spec.replicas", "must be a whole number (found true)"),
        ({"replicas": 1.5}, "spec.replicas", "must be a whole number"),
        ({"replicas": -1}, "spec.replicas", "must be at least 0 (found -1)"),
        ({"passthroughHeaders": "X-A"}, "spec.passthroughHeaders", "must be a list (found text); write a list"),
        ({"passthroughHeaders": {"X-A": ""}}, "spec.passthroughHeaders", "must be a list (found a mapping)"),
        ({"passthroughHeaders": [1]}, "spec.passthroughHeaders[0]", "must be text (found a number); put the value in"),
        ({"passthroughHeaders": [True]}, "spec.passthroughHeaders[0]", "must be text (found true or false); put"),
        ({"incomingAuth": ["oidc"]}, "spec.incomingAuth", "must be a mapping (found a list)"),
        ({"passthroughHeaders": ["X"] * 65}, "spec.passthroughHeaders", "must have at most 64 entries"),
        (
            {"sessionManagement": {"ttl": 30}},
            "spec.sessionManagement.ttl",
            "is no duration (found a number); write a number with a",
        ),
        ({"sessionManagement": {"ttl": "soon"}}, "spec.sessionManagement.ttl", "is no duration; write"),
        ({"sessionManagement": {"ttl": "0s"}}, "spec.sessionManagement.ttl", "must be more than 0s"),
        ({"sessionManagement": {"ttl": "169h"}}, "spec.sessionManagement.ttl", "must be at most 168h"),
        ({"config": {"audit": {"enabled": "yes"}}}, "spec.config.audit.enabled", "must be true or false (found text)"),
    ],
)
def test_a_wrong_value_is_explained_in_plain_words(spec, path, said):
    problem = only(problems_of("VirtualMCPServer", **spec))
    assert problem.path == path
    assert said in str(problem)


def test_every_problem_of_a_document_is_found_at_once():
    problems = problems_of("VirtualMCPServer", groupRef={}, replicas=-1, nope=1)
    assert [problem.path for problem in problems] == ["spec.groupRef.name", "spec.replicas", "spec.nope"]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("VirtualMCPServer", {"password": "canary"}),
        ("VirtualMCPServer", {"sessionStorage": {"passwordRef": "canary"}}),
        ("VirtualMCPServer", {"sessionStorage": {"passwordRef": {"name": "CANARY!", "key": "canary key"}}}),
        ("MCPServer", {"env": [{"name": "A", "value": ["canary"]}]}),
        ("MCPServer", {"secrets": ["canary"]}),
        ("MCPServerEntry", {"remoteUrl": "https://user:canary@example.com/mcp"}),
        ("MCPServerEntry", {"headerForward": {"addPlaintextHeaders": {"X-A": "canary\n"}}}),
        ("MCPServerEntry", {"headerForward": {"addPlaintextHeaders": {"X-A": {"canary": 1}}}}),
    ],
)
def test_no_problem_shows_a_value_that_may_be_a_secret(kind, spec):
    problems = problems_of(kind, **spec)
    assert len(problems) > 0
    assert "canary" not in str(problems).lower()
    assert "canary" not in repr(problems).lower()


@pytest.mark.parametrize("data", [{"a": {1, 2}}, {"a": float("nan")}, [[]], "text", None, 3])
def test_data_that_is_no_object_is_a_problem_and_no_crash(data):
    assert isinstance(validate(VirtualMCPServer, data), Problems)


def test_keys_that_kubernetes_adds_to_metadata_and_status_are_passed_over():
    document = manifest("VirtualMCPServer")
    document["metadata"] |= {"managedFields": [{}], "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "u"}
    document["status"] = {"phase": "Ready", "ofAnotherRelease": 1}
    parsed = validate(VirtualMCPServer, document)
    assert isinstance(parsed, VirtualMCPServer)
    assert parsed.metadata.uid == "u"


def test_a_problem_is_one_line_with_file_line_subject_path_message_and_remedy():
    problem = Problem("is wrong", "fix it", ("spec", "a", 0), "Kind/name", "1", file="f.yaml", line=3)
    assert str(problem) == "f.yaml:3: Kind/name: spec.a[0]: is wrong (found 1); fix it"
    assert str(Problem("is odd", severity=Severity.WARNING, file="f")) == "f: warning: is odd"
    assert format_path(("a", "b.c", 1, "d")) == "a['b.c'][1].d"


@pytest.mark.parametrize("amount", [1, "0.5", "1e3", ".5", "2Gi", "1Pi", "100n"])
def test_an_amount_is_taken_as_kubernetes_writes_it(amount):
    server = build("MCPServer", resources={"limits": {"cpu": amount}})
    assert server.spec.resources.limits.cpu == str(amount)


@pytest.mark.parametrize(("amount", "words"), [(0.5, 'write "0.5"'), (-1, "an amount"), ("x", "an amount"), (True, "")])
def test_an_amount_that_a_crd_cannot_say_is_refused_with_what_to_write(amount, words):
    (problem,) = problems_of("MCPServer", resources={"limits": {"cpu": amount}})
    assert problem.path == "spec.resources.limits.cpu"
    assert words in str(problem)


@pytest.mark.parametrize(("pods", "is_taken"), [(1, True), ("50%", True), ("150%", False), ("1", False), (-1, False)])
def test_a_budget_takes_a_number_of_pods_or_a_share(pods, is_taken):
    problems = problems_of("VirtualMCPServer", podDisruptionBudget={"maxUnavailable": pods})
    assert (not problems) is is_taken
