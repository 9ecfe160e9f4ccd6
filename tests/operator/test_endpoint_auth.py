"""Who may come in at an endpoint, what they may do, what backends are shown: references that break and come back."""

import json

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import AUTH_CONFIGS, ENTRY, GROUP, SERVER, VMCP
from vmcp_api.pod_status import IssuerReport, LoadError
from vmcp_operator.plan.kinds import (
    AUTHZ_CONFIG,
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    EXTERNAL_AUTH_CONFIG,
    OIDC_CONFIG,
    Ref,
)
from vmcp_operator.plan.kinds import ENTRY as ENTRY_KIND
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND
from vmcp_operator.watch import read_change

GUARDED = VMCP.replace(
    "{type: anonymous}",
    "{type: oidc, oidcConfigRef: {name: idp, audience: one}, authzConfigRef: {name: policies}}",
)
WHOLE = GUARDED + GROUP + SERVER + ENTRY + AUTH_CONFIGS
IDP = Ref(OIDC_CONFIG, "default", "idp")
POLICIES = Ref(AUTHZ_CONFIG, "default", "policies")
KEYS = Ref(EXTERNAL_AUTH_CONFIG, "default", "keys")
FILES, DOCS = Ref(SERVER_KIND, "default", "files"), Ref(ENTRY_KIND, "default", "docs")
CONFIG = Ref(CONFIG_MAP, "default", "vmcp-one-c1")
PERMIT = "permit(principal, action, resource);"
ISSUER = "https://idp.example.com"


def config(story):
    return json.loads(story.cluster.objects[CONFIG]["data"]["config.json"])


def guards(story):
    found = config(story)
    return found["incomingAuth"], found.get("authorization")


def told(story, name):
    condition = story.condition(ONE, name)
    return condition["status"], condition["reason"]


def backend(story, name):
    return next(each for each in story.status(ONE)["backends"] if each["name"] == name)


def set_policies(*policies):
    return lambda each: each["spec"]["config"].update(policies=list(policies))


def break_idp(story):
    story.cluster.edit(IDP, lambda each: each["spec"]["inline"].update(issuer="http://idp.example.com"))


def break_policies(story):
    story.cluster.edit(POLICIES, set_policies("permit(principal"))


BREAKS = {
    "no provider": (lambda story: story.cluster.remove(IDP), "AuthConfigured", "OIDCConfigNotFound", "'idp' does not"),
    "invalid provider": (break_idp, "AuthConfigured", "OIDCConfigInvalid", "is not valid"),
    "no policies": (
        lambda story: story.cluster.remove(POLICIES),
        "AuthzConfigured",
        "AuthzConfigNotFound",
        "'policies' does not exist",
    ),
    "broken policies": (break_policies, "AuthzConfigured", "AuthzConfigInvalid", "policies[0]: line 1: is no Cedar"),
}


async def test_who_may_come_in_and_what_they_may_do_are_in_the_config_and_in_the_conditions():
    story = await serving(WHOLE)
    incoming, authorization = guards(story)
    assert (incoming["type"], incoming["oidc"]["issuer"], incoming["oidc"]["audience"]) == ("oidc", ISSUER, "one")
    assert authorization["policies"] == [PERMIT]
    assert (told(story, "AuthConfigured"), told(story, "AuthzConfigured")) == (
        ("True", "Configured"),
        ("True", "Enforced"),
    )
    assert story.status(ONE)["phase"] == "Ready"


@pytest.mark.scenario("K-6", "Z-4")
async def test_an_edit_of_policies_reaches_the_config_and_rolls_nothing():
    story = await serving(WHOLE)
    before = story.live(DEPLOYMENT, "vmcp-one")["spec"]
    other = 'forbid(principal, action, resource == Tool::"files_drop");'
    story.cluster.edit(POLICIES, set_policies(PERMIT, other))
    assert ONE in story.woken_by(read_change(AUTHZ_CONFIG, story.cluster.objects[POLICIES]))
    await story.reconcile(ONE)
    assert guards(story)[1]["policies"] == [PERMIT, other]
    assert story.live(DEPLOYMENT, "vmcp-one")["spec"] == before
    assert {ref for verb, ref in story.cluster.writes if verb == "apply"} == {CONFIG}


async def test_what_policies_name_and_nothing_has_is_told_in_the_conditions_and_keeps_nothing_from_being_in_force():
    story = await serving(WHOLE)
    slips = 'permit(principal, action == Action::"call_tols", resource in Backend::"fils") when { resource.readOnly };'
    elsewhere = 'permit(principal, action, resource in Backend::"of-another-endpoint");'
    story.cluster.edit(POLICIES, set_policies(PERMIT, slips, elsewhere))
    story.passes(10)
    await story.reconcile(ONE)
    await story.reconcile(POLICIES)
    assert guards(story)[1]["policies"] == [PERMIT, slips, elsewhere]
    assert told(story, "AuthzConfigured") == ("True", "Enforced")
    message = story.condition(ONE, "AuthzConfigured")["message"]
    assert [each in message for each in ("did you mean 'call_tool'?", "did you mean 'files'?", "readOnlyHint")] == [
        True
    ] * 3
    assert "of-another-endpoint" not in message
    valid = story.condition(POLICIES, "Valid")
    assert (valid["status"], valid["reason"]) == ("True", "Valid")
    assert "spec.config.policies[1]: line 1: policy 'policy1': names Action::" in valid["message"]


@pytest.mark.scenario("I-8", "Z-4", "K-19")
@pytest.mark.parametrize("case", BREAKS)
async def test_a_broken_guard_keeps_both_guards_and_nothing_else(case):
    break_it, name, reason, words = BREAKS[case]
    story = await serving(WHOLE)
    before = guards(story)
    break_it(story)
    story.cluster.edit(ONE, lambda each: each["spec"].update(allowedHosts=["mcp.example.com"]))
    story.cluster.remove(DOCS)
    await story.reconcile(ONE)
    assert guards(story) == before
    assert config(story)["allowedHosts"] == ["mcp.example.com"]
    assert [each["name"] for each in config(story)["backends"]] == ["files"]
    assert told(story, name) == ("False", reason)
    assert words in story.condition(ONE, name)["message"]
    assert "what was in force stays" in story.condition(ONE, name)["message"]

    story.run_pod(ONE, report=healthy(story, "files"))
    story.passes(10)
    await story.reconcile(ONE)
    status = story.status(ONE)
    assert (status["phase"], story.condition(ONE, "Ready")["status"]) == ("Degraded", "True")
    assert words in status["message"]
    assert told(story, "ConfigLoaded") == ("True", "Loaded")
    events = [each for ref, each in story.cluster.objects.items() if ref.kind is EVENT]
    assert [each["reason"] for each in events if each["type"] == "Warning"] == [reason]

    story.apply(AUTH_CONFIGS)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=healthy(story, "files"))
    story.passes(10)
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], told(story, name)[0]) == ("Ready", "True")


@pytest.mark.scenario("K-7", "K-23")
async def test_policies_that_come_back_are_told_when_every_pod_has_them():
    story = await serving(WHOLE)
    story.run_pod(ONE, "pod-2", report=healthy(story, "files", "docs"))
    story.cluster.remove(POLICIES)
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], told(story, "Ready")) == ("Degraded", ("True", "AuthzConfigNotFound"))

    story.apply(AUTH_CONFIGS.replace(PERMIT, "permit(principal, action, resource) when { resource.readOnly };"))
    for has_loaded, far in ((False, "0 of 2"), (True, "1 of 2")):
        story.run_pod(ONE, report=healthy(story, "files", "docs") if has_loaded else None)
        story.passes(10)
        await story.reconcile(ONE)
        assert (story.status(ONE)["phase"], told(story, "Ready")) == ("Degraded", ("False", "ConfigLoading"))
        assert f"{far} pods run the present config" in story.status(ONE)["message"]
    story.run_pod(ONE, "pod-2", report=healthy(story, "files", "docs"))
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], told(story, "Ready")) == ("Ready", ("True", "Serving"))


@pytest.mark.scenario("I-8", "K-7")
@pytest.mark.parametrize("case", BREAKS)
async def test_without_a_guard_that_was_in_force_nothing_is_served_until_there_is_one(case):
    break_it, name, reason, words = BREAKS[case]
    story = Story(WHOLE)
    break_it(story)
    await story.reconcile(ONE)
    status = story.status(ONE)
    assert status["phase"] == "Failed"
    assert words in status["message"]
    assert told(story, name) == ("False", reason)
    assert not story.has(DEPLOYMENT, "vmcp-one")
    assert CONFIG not in story.cluster.objects
    wakes = IDP if name == "AuthConfigured" else POLICIES
    story.apply(AUTH_CONFIGS)
    assert ONE in story.woken_by(read_change(wakes.kind, story.cluster.objects[wakes]))
    await story.reconcile(ONE)
    assert story.has(DEPLOYMENT, "vmcp-one")
    assert guards(story)[1]["policies"] == [PERMIT]


async def test_what_is_applied_a_moment_later_is_waited_for_and_no_failure():
    story = Story(GUARDED + GROUP)
    story.cluster.edit(ONE, lambda each: each["metadata"].update(creationTimestamp="2026-05-04T12:00:00Z"))
    assert await story.reconcile(ONE) == 10.0
    assert (story.status(ONE)["phase"], told(story, "AuthConfigured")) == ("Pending", ("False", "OIDCConfigNotFound"))
    assert not story.has(DEPLOYMENT, "vmcp-one")


async def test_an_endpoint_that_is_to_be_guarded_by_what_is_broken_opens_no_further():
    """Anonymous before, so it stays; policies that it had stay too, though the resource names them no more."""
    anonymous = GUARDED.replace("{type: oidc, oidcConfigRef: {name: idp, audience: one}, ", "{type: anonymous, ")
    story = await serving(anonymous + GROUP + SERVER + AUTH_CONFIGS, "files")
    before = guards(story)
    incoming = {"type": "oidc", "oidcConfigRef": {"name": "nowhere", "audience": "one"}}
    story.cluster.edit(ONE, lambda each: each["spec"].update(incomingAuth=incoming))
    await story.reconcile(ONE)
    assert guards(story) == before
    assert before[1]["policies"] == [PERMIT]


@pytest.mark.scenario("I-9")
async def test_a_backend_that_gets_something_of_callers_gets_it_from_no_others_than_it_was_meant_for():
    """`relay` to a backend without audience goes with callers who come without a token."""
    relay = AUTH_CONFIGS.replace("type: bearerToken", "type: relay").replace(
        "bearerToken:\n    tokenSecretRef: {name: keys, key: token}", "relay: {headers: [Authorization]}"
    )
    allowing = f"{GUARDED}  outgoingAuth: {{allowedTokenHosts: ['http://mcp-files.default.svc:8080']}}\n"
    story = await serving(allowing + GROUP + SERVER + relay, "files")
    before = config(story)
    story.cluster.edit(FILES, lambda each: each["spec"].update(externalAuthConfigRef={"name": "keys"}))
    incoming = {"type": "anonymous", "authzConfigRef": {"name": "nowhere"}}
    story.cluster.edit(ONE, lambda each: each["spec"].update(incomingAuth=incoming, allowedHosts=["other.example.com"]))
    await story.reconcile(ONE)
    assert config(story) == before
    assert told(story, "AuthzConfigured") == ("False", "AuthzConfigNotFound")


@pytest.mark.scenario("I-8")
async def test_a_backend_whose_auth_is_broken_is_withheld_with_the_reason_and_others_serve():
    story = Story(VMCP + GROUP + SERVER + ENTRY)
    story.cluster.edit(DOCS, lambda each: each["spec"].update(externalAuthConfigRef={"name": "keys"}))
    await story.reconcile(ONE)
    story.run_pod(ONE, report=healthy(story, "files"))
    story.passes(10)
    await story.reconcile(ONE)
    assert [each["name"] for each in config(story)["backends"]] == ["files"]
    docs = backend(story, "docs")
    assert (docs["status"], docs["reason"]) == ("unavailable", "ExternalAuthConfigNotFound")
    assert "MCPExternalAuthConfig 'keys' does not exist" in docs["message"]
    assert told(story, "AuthConfigured") == ("False", "ExternalAuthConfigNotFound")
    assert story.status(ONE)["phase"] == "Degraded"

    story.apply(AUTH_CONFIGS)
    assert ONE in story.woken_by(read_change(EXTERNAL_AUTH_CONFIG, story.cluster.objects[KEYS]))
    await story.reconcile(ONE)
    # Its Secret is mounted, so that pods roll.
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    story.passes(10)
    await story.reconcile(ONE)
    assert backend(story, "docs")["authType"] == "bearerToken"
    assert told(story, "AuthConfigured") == ("True", "Configured")
    # What is not served by a broken reference is not served by one that has become invalid either.
    story.cluster.edit(KEYS, lambda each: each["spec"].update(type="relay"))
    story.passes(10)
    await story.reconcile(ONE)
    docs = backend(story, "docs")
    assert docs["reason"] == "ExternalAuthConfigInvalid"
    assert "does not exist" not in docs["message"]
    assert "MCPExternalAuthConfig 'keys' is not valid" in docs["message"]


async def test_a_token_endpoint_whose_ca_bundle_is_missing_is_named_by_its_resource():
    trust = {"caBundleRef": {"configMapRef": {"name": "roots"}}}
    client = {"clientId": "vmcp", "clientSecretRef": {"name": "keys", "key": "secret"}}
    strategy = {"tokenUrl": f"{ISSUER}/token", **client, **trust}
    story = Story(VMCP + GROUP + SERVER + AUTH_CONFIGS)
    spec = {"type": "clientCredentials", "clientCredentials": strategy}
    story.cluster.edit(KEYS, lambda each: each.update(spec=spec))
    outgoing = {"default": {"type": "externalAuthConfigRef", "externalAuthConfigRef": {"name": "keys"}}}
    story.cluster.edit(ONE, lambda each: each["spec"].update(outgoingAuth=outgoing))
    await story.reconcile(ONE)
    files = backend(story, "files")
    assert files["reason"] == "CaBundleNotFound"
    assert "MCPExternalAuthConfig/keys: spec.clientCredentials.caBundleRef" in files["message"]
    roots = Ref(CONFIG_MAP, "default", "roots")
    assert ONE in story.woken_by(read_change(CONFIG_MAP, {"metadata": {"name": roots.name, "namespace": "default"}}))


@pytest.mark.scenario("K-11")
async def test_secrets_that_guards_and_strategies_need_are_mounted_and_never_read():
    story = Story(WHOLE)
    client = {"clientId": "vmcp", "clientSecretRef": {"name": "idp", "key": "client-secret"}}
    story.cluster.edit(IDP, lambda each: each["spec"]["inline"].update(introspectionUrl=f"{ISSUER}/ask", **client))
    story.cluster.edit(DOCS, lambda each: each["spec"].update(externalAuthConfigRef={"name": "keys"}))
    asked = []
    story.cluster.fail = lambda verb, ref: asked.append((verb, ref.kind.name))
    await story.reconcile(ONE)
    volumes = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]["spec"]["volumes"]
    (secrets,) = [each["projected"]["sources"] for each in volumes if each["name"] == "secrets"]
    assert [(each["secret"]["name"], each["secret"]["items"][0]["key"]) for each in secrets] == [
        ("idp", "client-secret"),
        ("keys", "token"),
    ]
    assert {verb for verb, kind in asked if kind == "Secret"} == {"create"}


@pytest.mark.scenario("Z-4")
async def test_policies_that_only_a_pod_cannot_use_are_told_too():
    story = await serving(WHOLE)
    refused = LoadError("authorization", "authorization.policies[0]: an id stands twice")
    story.run_pod(ONE, report=healthy(story, "files", "docs", load_error=refused))
    story.passes(10)
    await story.reconcile(ONE)
    assert told(story, "AuthzConfigured") == ("False", "PoliciesRefused")
    assert told(story, "ConfigLoaded") == ("False", "ConfigRefused")
    assert story.status(ONE)["phase"] == "Degraded"


async def test_an_issuer_that_pods_do_not_reach_is_told_and_stops_nobody_who_is_known():
    story = await serving(WHOLE)
    away = IssuerReport("unavailable", "no answer from the issuer; check its address")
    story.run_pod(ONE, report=healthy(story, "files", "docs", issuer=away))
    story.passes(10)
    await story.reconcile(ONE)
    condition = story.condition(ONE, "AuthConfigured")
    assert (condition["status"], condition["reason"]) == ("False", "IssuerUnavailable")
    assert condition["message"] == "no answer from the issuer; check its address"
    assert story.status(ONE)["phase"] == "Ready"
    assert story.status(ONE)["message"] == "serving 2 backends; no answer from the issuer; check its address"


@pytest.mark.scenario("I-9")
async def test_an_edit_of_a_shared_strategy_leads_no_token_elsewhere_and_says_what_would():
    exchange = {"tokenUrl": f"{ISSUER}/token", "audience": "files"}
    story = await serving(WHOLE)
    story.cluster.edit(KEYS, lambda each: each.update(spec={"type": "tokenExchange", "tokenExchange": exchange}))
    story.cluster.edit(FILES, lambda each: each["spec"].update(externalAuthConfigRef={"name": "keys"}))
    await story.reconcile(ONE)
    assert [each["name"] for each in config(story)["backends"]] == ["docs", "files"]
    story.cluster.edit(
        KEYS, lambda each: each["spec"]["tokenExchange"].update(tokenUrl="https://sts.example.net/token")
    )
    story.passes(10)
    await story.reconcile(ONE)
    assert [each["name"] for each in config(story)["backends"]] == ["docs"]
    assert told(story, "AuthConfigured") == ("False", "TokenHostNotAllowed")
    assert "add sts.example.net to that list" in backend(story, "files")["message"]
    allowed = {"allowedTokenHosts": ["sts.example.net"]}
    story.cluster.edit(ONE, lambda each: each["spec"].update(outgoingAuth=allowed))
    story.cluster.remove(IDP)
    await story.reconcile(ONE)
    assert [each["name"] for each in config(story)["backends"]] == ["docs", "files"]
    # The provider of the config in force counts while there is none.
    story.cluster.edit(KEYS, lambda each: each["spec"]["tokenExchange"].update(tokenUrl=f"{ISSUER}/token"))
    await story.reconcile(ONE)
    assert [each["name"] for each in config(story)["backends"]] == ["docs", "files"]


async def test_policies_in_a_config_map_are_followed():
    story = Story(VMCP + GROUP + SERVER)
    auth = {"type": "anonymous", "authzConfig": {"configMap": {"name": "rules", "key": "p.cedar"}}}
    story.cluster.edit(ONE, lambda each: each["spec"].update(incomingAuth=auth))
    await story.reconcile(ONE)
    assert told(story, "AuthzConfigured") == ("False", "AuthzConfigNotFound")
    metadata = {"name": "rules", "namespace": "default"}
    story.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"p.cedar": "permit("}})
    rules = story.cluster.objects[Ref(CONFIG_MAP, "default", "rules")]
    assert ONE in story.woken_by(read_change(CONFIG_MAP, rules))
    story.passes(10)
    await story.reconcile(ONE)
    assert told(story, "AuthzConfigured") == ("False", "AuthzConfigInvalid")
    assert "ConfigMap/rules: " in story.condition(ONE, "AuthzConfigured")["message"]
    story.cluster.put({**rules, "data": {"p.cedar": PERMIT}})
    await story.reconcile(ONE)
    assert guards(story)[1]["policies"] == [PERMIT]
    assert told(story, "AuthzConfigured") == ("True", "Enforced")


async def test_members_say_themselves_whether_what_they_are_shown_can_be_told():
    story = Story(GROUP + SERVER + ENTRY)
    for member in (FILES, DOCS):
        story.cluster.edit(member, lambda each: each["spec"].update(externalAuthConfigRef={"name": "keys"}))
        await story.reconcile(member)
    auth = story.condition(FILES, "AuthConfigured")
    assert (auth["status"], auth["reason"]) == ("False", "ExternalAuthConfigNotFound")
    assert story.status(DOCS)["phase"] == "Failed"
    assert "MCPExternalAuthConfig 'keys' does not exist" in story.status(DOCS)["message"]
    story.apply(AUTH_CONFIGS)
    story.passes(10)
    for member in (FILES, DOCS):
        assert member in story.woken_by(read_change(EXTERNAL_AUTH_CONFIG, story.cluster.objects[KEYS]))
        await story.reconcile(member)
    assert story.condition(FILES, "AuthConfigured")["status"] == "True"
    assert story.status(DOCS)["phase"] == "Valid"
