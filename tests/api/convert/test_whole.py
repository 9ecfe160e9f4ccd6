"""Whatever stands in a manifest: nothing is dropped in silence, what comes out is valid, and nothing is opened."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.convert.manifests import VERSION, converted, endpoint, lost, only, theirs
from tests.support.examples import examples
from vmcp_api.convert.convert import convert
from vmcp_api.convert.draft import leaves_of
from vmcp_api.convert.report import Fate, fold
from vmcp_api.convert.yaml_out import to_yaml
from vmcp_api.kinds import KINDS
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.validate import validate
from vmcp_api.naming import API_VERSION
from vmcp_api.text.yaml_text import parse_yaml

pytestmark = pytest.mark.scenario("K-17")

NAMES = st.sampled_from(["a", "team", "A B", ""])
NAMED = st.fixed_dictionaries({"name": NAMES})
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 9) | st.sampled_from(["", "x", "1e5", "on", "a\nb", "2026-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "name", "type"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TYPES = st.lists(st.sampled_from(["mcp_ping", "mcp_tools_list", "mcp_prompts_list", "http_request", 1]), max_size=4)
POLICIES = st.fixed_dictionaries(
    {}, optional={"policies": st.lists(st.sampled_from(["permit(principal, action, resource);", "no"]), max_size=2)}
)
OVERRIDES = st.dictionaries(NAMES, st.fixed_dictionaries({}, optional={"name": NAMES, "description": NAMES, "x": JUNK}))
OPTIMIZERS = JUNK | st.fixed_dictionaries(
    {},
    optional={
        "embeddingService": st.sampled_from(["http://tei:8080", "https://api.example.com/v1", "no", "", 1]),
        "embeddingProvider": st.sampled_from(["tei", "openai", "x"]),
        "embeddingServiceTimeout": st.sampled_from(["30s", "1h", 1]),
        "embeddingModel": NAMES,
        "embeddingHeaders": st.dictionaries(st.sampled_from(["X-A", "Host"]), NAMES),
        "hybridSearchSemanticRatio": st.sampled_from(["0.5", "x"]) | JUNK,
        "maxToolsToReturn": st.integers(-1, 60),
        "embeddings": st.fixed_dictionaries({}, optional={"url": st.just("https://a"), "x": JUNK}),
        "x": JUNK,
    },
)
VARIABLES = st.fixed_dictionaries(
    {"name": st.sampled_from(["OPENAI_API_KEY", "A"])},
    optional={"value": NAMES, "valueFrom": st.fixed_dictionaries({}, optional={"secretKeyRef": JUNK | NAMED})},
)
PODS = st.fixed_dictionaries(
    {},
    optional={
        "containers": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["vmcp", "mcp"])}, optional={"env": JUNK | st.lists(VARIABLES, max_size=3)}
            ),
            max_size=2,
        )
    },
)
PROVIDERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["inline", "kubernetes", "configMap"])},
    optional={
        "resourceUrl": NAMES,
        "inline": JUNK
        | st.fixed_dictionaries(
            {"issuer": st.just("https://idp.example.com")},
            optional={"audience": NAMES, "clientSecret": NAMES, "x": JUNK},
        ),
        "kubernetes": JUNK
        | st.fixed_dictionaries(
            {}, optional={"audience": NAMES, "useClusterAuth": st.booleans(), "serviceAccount": NAMES}
        ),
    },
)
STRATEGIES = st.fixed_dictionaries(
    {},
    optional={
        "source": st.sampled_from(["inline", "discovered"]),
        "default": JUNK
        | st.fixed_dictionaries(
            {"type": st.just("external_auth_config_ref")}, optional={"externalAuthConfigRef": NAMED}
        ),
        "backends": JUNK,
    },
)
FIELDS = {
    "image": NAMES,
    "transport": st.sampled_from(["stdio", "sse", "streamable-http", "carrier pigeon"]),
    "proxyPort": st.integers(0, 70000),
    "port": st.integers(1, 65535),
    "mcpPort": st.integers(1, 65535),
    "replicas": st.integers(-1, 3),
    "backendReplicas": st.integers(-1, 3),
    "env": st.lists(st.fixed_dictionaries({}, optional={"name": NAMES, "value": NAMES, "x": NAMES}), max_size=3),
    "volumes": st.lists(
        st.fixed_dictionaries({"name": NAMES, "hostPath": NAMES, "mountPath": NAMES}, optional={"x": JUNK}), max_size=2
    ),
    "resourceOverrides": JUNK,
    "serviceAccount": NAMES,
    "groupRef": NAMED,
    "toolConfigRef": NAMED,
    "oidcConfigRef": NAMED,
    "remoteUrl": st.sampled_from(["https://a.example.com/mcp", "no"]),
    "incomingAuth": st.fixed_dictionaries(
        {"type": st.sampled_from(["anonymous", "oidc", "local"])},
        optional={
            "oidcConfigRef": st.fixed_dictionaries(
                {"name": NAMES}, optional={"audience": NAMES, "scopes": st.lists(NAMES)}
            ),
            "oidcConfig": JUNK | PROVIDERS,
            "authzConfig": st.fixed_dictionaries({}, optional={"inline": POLICIES, "groupClaimName": NAMES, "x": JUNK}),
        },
    ),
    "outgoingAuth": JUNK | STRATEGIES,
    "externalAuthConfigRef": NAMED | JUNK,
    "passthroughHeaders": st.lists(st.sampled_from(["X-A", "Authorization", "Host", ""]), max_size=4),
    "config": st.fixed_dictionaries(
        {},
        optional={
            "name": NAMES,
            "groupRef": NAMES,
            "telemetry": JUNK,
            "codeMode": JUNK,
            "optimizer": OPTIMIZERS,
            "audit": st.fixed_dictionaries(
                {},
                optional={
                    "enabled": st.booleans(),
                    "logFile": NAMES,
                    "eventTypes": TYPES,
                    "excludeEventTypes": TYPES | JUNK,
                },
            ),
            "operational": st.fixed_dictionaries({}, optional={"failureHandling": JUNK, "timeouts": JUNK}),
            "aggregation": st.fixed_dictionaries(
                {},
                optional={
                    "tools": st.lists(
                        st.fixed_dictionaries(
                            {},
                            optional={"workload": NAMES, "filter": st.lists(NAMES), "overrides": OVERRIDES, "x": JUNK},
                        ),
                        max_size=2,
                    )
                },
            ),
            "compositeTools": st.lists(JUNK, max_size=2),
        },
    ),
    "toolsFilter": st.lists(NAMES, max_size=3),
    "tools": st.lists(NAMES, max_size=3) | JUNK,
    "aggregation": JUNK,
    "toolsOverride": OVERRIDES,
    "type": st.sampled_from(
        ["inline", "kubernetesServiceAccount", "tokenExchange", "awsSts", "cedarv1", "unauthenticated"]
    ),
    "kubernetesServiceAccount": JUNK,
    "tokenExchange": JUNK,
    "embeddingServerRef": st.fixed_dictionaries({"name": NAMES}) | JUNK,
    "podTemplateSpec": st.fixed_dictionaries({}, optional={"spec": PODS}) | JUNK,
    "openTelemetry": JUNK,
    "surprise": JUNK,
}
SPECS = st.fixed_dictionaries({}, optional=FIELDS) | JUNK
METADATA = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "namespace": st.just("ns"),
        "uid": NAMES,
        "finalizers": st.just(["toolhive.stacklok.dev/finalizer"]),
        "annotations": st.dictionaries(
            st.sampled_from(["a", "kubectl.kubernetes.io/last-applied-configuration"]), NAMES
        ),
    },
)
OBJECTS = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from([VERSION, "toolhive.stacklok.dev/v1alpha1"]),
        "kind": st.sampled_from([*KINDS, "MCPRemoteProxy", "EmbeddingServer"]),
        "metadata": METADATA | JUNK,
        "spec": SPECS,
    },
    optional={"status": JUNK, "data": JUNK},
)

ENDPOINTS = st.fixed_dictionaries(
    {
        "kind": st.just("VirtualMCPServer"),
        "metadata": st.just({"name": "a", "namespace": "ns"}),
        "spec": st.fixed_dictionaries(
            {"incomingAuth": st.just({"type": "oidc"})},
            optional={"groupRef": NAMED, "outgoingAuth": STRATEGIES, "externalAuthConfigRef": NAMED | JUNK},
        ),
    }
)


@settings(max_examples=examples(400), deadline=None)
@given(OBJECTS)
def test_every_value_is_kept_changed_or_lost_and_what_comes_out_is_valid(manifest):
    outcome = converted(manifest)
    (told,) = outcome.objects
    paths = [each.path for each in told.fields if each.path is not None]
    assert sorted(map(str, paths)) == sorted(map(str, leaves_of(manifest)))
    for each in told.fields:
        assert (each.fate is Fate.KEPT) == (each.why == ""), each
        assert told.results or each.fate is Fate.LOST, f"nothing came of it: {each}"
    for result in told.results:
        found = validate(KINDS[str(result["kind"])], dict(result))
        assert not isinstance(found, Problems), str(found)
    kept = {each.path: each.to for each in told.fields if each.fate is Fate.KEPT}
    assert all(at(told.results[0], place) == at(manifest, path) for path, place in kept.items())
    assert all(each.remedy for each in told.fields if each.fate is Fate.LOST and told.results), "no remedy"


@settings(max_examples=examples(200), deadline=None)
@given(OBJECTS)
def test_what_comes_out_goes_in_again_as_it_is_and_reads_as_it_was_written(manifest):
    outcome = converted(manifest)
    text = to_yaml(outcome.results)
    assert [part.data for part in parse_yaml(text)[0] if part.data is not None] == [
        dict(each) for each in outcome.results
    ]
    again = convert([Source("again.yaml", text)])
    assert again.results == outcome.results
    assert {each.fate for one in again.objects for each in one.fields} <= {Fate.KEPT}


@settings(max_examples=examples(200), deadline=None)
@given(OBJECTS | ENDPOINTS, st.sampled_from([API_VERSION, "example.com/v1", "", 1, None]))
def test_what_is_not_of_toolhive_passes_as_it_is_beside_what_is(manifest, version):
    exchange = {"tokenUrl": "https://sts.example.com/token", "audience": "a"}
    callers = {"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "a"}}
    other = {**manifest, "apiVersion": version}
    outcome = converted(
        theirs("MCPExternalAuthConfig", "team", type="tokenExchange", tokenExchange=exchange),
        theirs("MCPServer", "files", image="i", groupRef={"name": "team"}, externalAuthConfigRef={"name": "team"}),
        endpoint(incomingAuth=callers),
        other,
    )
    assert outcome.objects[-1].results == (other,)
    assert {each.fate for each in outcome.objects[-1].fields} <= {Fate.KEPT}
    assert outcome.results[2]["spec"]["outgoingAuth"]["allowedTokenHosts"] == ["sts.example.com"]


@settings(max_examples=examples(200), deadline=None)
@given(st.fixed_dictionaries({key: FIELDS[key] for key in ("incomingAuth", "config", "groupRef")}))
def test_no_filter_and_no_policy_is_lost_while_the_endpoint_is_kept(spec):
    result, _ = only(theirs("VirtualMCPServer", **spec))
    if not result:
        return
    assert result["spec"]["incomingAuth"]["type"] == spec["incomingAuth"]["type"]
    assert bool(at(result, ("spec", "incomingAuth", "authzConfig"))) == bool(spec["incomingAuth"].get("authzConfig"))
    written = spec["config"].get("aggregation", {}).get("tools", [])
    filters = [entry.get("filter", []) for entry in written]
    assert [
        entry.get("filter", []) for entry in at(result, ("spec", "config", "aggregation", "tools")) or []
    ] == filters


def at(manifest, path):
    for step in path:
        try:
            manifest = manifest[step]
        except (KeyError, IndexError, TypeError):
            return None
    return manifest


@pytest.mark.parametrize(
    "manifest",
    [
        endpoint(incomingAuth={"type": "local"}),
        endpoint(incomingAuth={"type": "anonymous", "authzConfig": {"inline": {"policies": ["permit("] * 300}}}),
        endpoint(config={"aggregation": {"tools": [{"workload": "a", "filter": [""]}]}}),
        theirs("MCPToolConfig", toolsFilter=["read", "read"]),
        theirs("MCPServer", image="i", toolConfigRef={"name": "No Name"}),
        theirs("MCPAuthzConfig", type="httpv1", config={"http": {"url": "http://pdp"}}),
    ],
    ids=[
        "unknown callers",
        "too many policies",
        "an empty filter entry",
        "a filter twice",
        "a reference to a filter",
        "another authorizer",
    ],
)
def test_an_object_whose_guard_cannot_be_converted_is_left_out_as_a_whole(manifest):
    result, told = only(manifest)
    assert result == {}
    assert len(told.fields) == len(list(leaves_of(manifest)))
    (line,) = fold(told)
    assert line.why.startswith("is left out: spec.")


def test_a_workflow_is_kept_or_lost_as_a_whole_and_the_others_stay():
    step = {"id": "a", "tool": "files.read"}
    good = {"name": "good", "description": "d", "steps": [step]}
    bad = {"name": "bad", "description": "d", "steps": [{"id": "b", "tool": "t", "dependsOn": ["c"]}, step]}
    result, told = only(endpoint(config={"compositeTools": [bad, good]}))
    assert [each["name"] for each in result["spec"]["config"]["compositeTools"]] == ["good"]
    assert "there is no step 'c'" in lost(told)["spec.config.compositeTools[0].steps[1].tool"]


def test_what_a_cluster_added_is_left_behind_and_a_list_is_written_as_documents():
    live = endpoint()
    live["metadata"] |= {
        "uid": "1",
        "resourceVersion": "2",
        "finalizers": ["toolhive.stacklok.dev/x"],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"},
    }
    live["status"] = {"phase": "Ready"}
    listed = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [live]}
    outcome = converted(listed)
    (result,) = outcome.results
    assert result["metadata"] == {"name": "one", "namespace": "ns", "annotations": {"team": "a"}}
    assert "status" not in result
    assert not outcome.loses
    paths = [each.path for one in outcome.objects for each in one.fields if each.path is not None]
    assert sorted(map(str, paths)) == sorted(map(str, leaves_of(listed)))


def test_objects_of_others_pass_through_as_they_are():
    others = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"token": "on", "n": "1e5"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 2}},
        {"apiVersion": "vmcp.dev/v1beta1", "kind": "MCPGroup", "metadata": {"name": "g"}},
    ]
    outcome = converted(*others)
    assert list(outcome.results) == others
    assert list(yaml.safe_load_all(to_yaml(outcome.results))) == others
    assert {each.fate for one in outcome.objects for each in one.fields} == {Fate.KEPT}


def test_two_objects_that_would_become_one_are_told():
    outcome = converted(
        theirs("MCPServerEntry", "docs", remoteUrl="https://a/mcp", transport="sse", groupRef={"name": "g"}),
        theirs("MCPRemoteProxy", "docs", remoteUrl="https://b/mcp", groupRef={"name": "g"}),
    )
    assert [each["spec"]["remoteUrl"] for each in outcome.results] == ["https://a/mcp"]
    words = lost(outcome.objects[1])["spec.remoteUrl"]
    assert words == "is left out: MCPServerEntry/docs becomes an object of the same name; rename one of the two"
    outcome = converted(
        theirs("MCPToolConfig", "files-tools", toolsFilter=["all"]),
        theirs("MCPServer", "files", image="i", tools=["read"]),
    )
    assert len(outcome.results) == 1, "the filter of the server is another one"


def test_a_text_that_is_no_yaml_is_a_problem_with_its_line_and_the_rest_is_converted():
    outcome = convert([Source("a.yaml", "kind: [\n"), Source("b.yaml", yaml.safe_dump(endpoint()))])
    assert str(outcome.problems).startswith("a.yaml:2: is no YAML")
    assert len(outcome.results) == 1
    assert str(convert([Source("c.yaml", "- a\n")]).problems).startswith("c.yaml:1: is no object")


def test_words_of_the_report_hold_no_value_of_a_secret_or_a_header():
    secret = "s3cr3t-value"
    outcome = converted(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"token": secret}},
        theirs(
            "MCPServer", image="i", env=[{"name": "TOKEN", "value": secret, "x": secret}], audit={secret: 1}.get("x")
        ),
        theirs("MCPServerEntry", remoteUrl="no", headerForward={"addPlaintextHeaders": {"X": secret + "\n"}}),
        theirs("MCPExternalAuthConfig", type="headerInjection", headerInjection={"headerName": "X", "value": secret}),
    )
    assert secret not in str(outcome.describe())


def test_a_converted_set_is_what_validation_takes():
    outcome = converted(
        endpoint(config={"name": "one"}),
        theirs("MCPGroup", "team"),
        theirs("MCPServer", "files", image="i", transport="sse", proxyPort=1, groupRef={"name": "team"}),
        theirs("MCPToolConfig", "curated", toolsFilter=["read"]),
    )
    assert not load([Source("out.yaml", to_yaml(outcome.results))]).problems.errors


def test_policies_that_hold_nothing_but_unknown_keys_are_not_taken_for_none():
    result, told = only(endpoint(incomingAuth={"type": "anonymous", "authzConfig": {"policy": "permit"}}))
    assert result == {}
    assert lost(told)["spec.incomingAuth.authzConfig.policy"].startswith("there is no such setting here")
    assert lost(told)["spec.groupRef.name"].startswith("is left out: spec.incomingAuth.authzConfig")


def test_an_object_that_does_not_say_what_it_is_is_left_out_and_told():
    outcome = converted({"apiVersion": VERSION, "metadata": {"name": {"a": 1}}}, {"apiVersion": VERSION, "kind": 7})
    assert outcome.results == ()
    assert [one.subject for one in outcome.objects] == ["?/?", "?/?"]
    assert lost(outcome.objects[0])["metadata.name.a"] == "is left out: kind says nothing; write which it is"
