"""What the operator says of providers, strategies and policies that others refer to."""

import pytest

from tests.operator.harness import Story
from tests.operator.manifests import AUTH_CONFIGS, ENTRY, SERVER, VMCP
from tests.support.certificates import CA_CERTIFICATE
from vmcp_operator.plan.kinds import AUTHZ_CONFIG, CONFIG_MAP, EVENT, EXTERNAL_AUTH_CONFIG, OIDC_CONFIG, Ref
from vmcp_operator.plan.kinds import ENTRY as ENTRY_KIND
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND
from vmcp_operator.watch import read_change

POLICIES = Ref(AUTHZ_CONFIG, "default", "policies")
IDP = Ref(OIDC_CONFIG, "default", "idp")
KEYS = Ref(EXTERNAL_AUTH_CONFIG, "default", "keys")
ALL_THREE = (POLICIES, IDP, KEYS)
BUNDLE = Ref(CONFIG_MAP, "default", "roots")
PERMIT = "permit(principal, action, resource);"


def valid(story, key):
    condition = story.condition(key, "Valid")
    return condition["status"], condition["reason"], condition["message"]


def notes(story, key):
    events = (each for ref, each in story.cluster.objects.items() if ref.kind is EVENT)
    return [(each["type"], each["reason"]) for each in events if each["regarding"]["name"] == key.name]


def roots(text=CA_CERTIFICATE):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "roots", "namespace": "default"},
        "data": {"ca.crt": text},
    }


@pytest.mark.parametrize("key", ALL_THREE, ids=str)
async def test_settings_that_can_be_used_are_valid_and_no_news(key):
    story = Story(AUTH_CONFIGS)
    await story.reconcile(key)
    assert valid(story, key) == ("True", "Valid", "")
    assert story.status(key)["observedGeneration"] == 1
    assert story.status(key)["referenceCount"] == 0
    assert notes(story, key) == []
    await story.reconcile(key)
    assert story.cluster.writes == []


@pytest.mark.scenario("Z-4")
async def test_policies_that_cannot_be_read_are_named_with_their_line_until_they_are_mended():
    story = Story(AUTH_CONFIGS)
    await story.reconcile(POLICIES)
    broken = [PERMIT, f"{PERMIT}\nforbid(principal, action, resource) when {{ context. }};", "// nothing"]
    story.cluster.edit(POLICIES, lambda each: each["spec"]["config"].update(policies=broken, entities_json="{}"))
    await story.reconcile(POLICIES)
    status, reason, message = valid(story, POLICIES)
    assert (status, reason) == ("False", "PolicyInvalid")
    assert "spec.config.policies[1]: line 2: is no Cedar: " in message
    assert "spec.config.policies[2]: holds no policy; write one" in message
    assert "spec.config.entities_json: is no list" in message
    assert notes(story, POLICIES) == [("Warning", "PolicyInvalid")]

    story.cluster.edit(POLICIES, lambda each: each["spec"]["config"].update(policies=[PERMIT], entities_json="[]"))
    await story.reconcile(POLICIES)
    assert valid(story, POLICIES) == ("True", "Valid", "")
    assert story.status(POLICIES)["observedGeneration"] == 3
    assert notes(story, POLICIES) == [("Warning", "PolicyInvalid"), ("Normal", "Valid")]


async def test_entities_alone_that_cannot_be_read_have_a_reason_of_their_own():
    story = Story(AUTH_CONFIGS)
    story.cluster.edit(POLICIES, lambda each: each["spec"]["config"].update(entities_json="[1]"))
    await story.reconcile(POLICIES)
    assert valid(story, POLICIES)[:2] == ("False", "EntitiesInvalid")


@pytest.mark.scenario("K-7")
@pytest.mark.parametrize("key", [IDP, KEYS], ids=str)
async def test_a_ca_bundle_that_is_missing_or_of_no_use_is_named_and_its_coming_is_all_it_takes(key):
    story = Story(AUTH_CONFIGS)
    trust = {"caBundleRef": {"configMapRef": {"name": "roots"}}}
    exchange = {"tokenUrl": "https://idp.example.com/token", "audience": "files", **trust}
    settings = {
        IDP: {"type": "inline", "inline": {"issuer": "https://idp.example.com", **trust}},
        KEYS: {"type": "tokenExchange", "tokenExchange": exchange},
    }
    story.cluster.edit(key, lambda each: each.update(spec=settings[key]))
    await story.reconcile(key)
    status, reason, message = valid(story, key)
    assert (status, reason) == ("False", "CaBundleNotFound")
    assert "ConfigMap 'roots' does not exist" in message
    assert ".caBundleRef.configMapRef.name: " in message

    story.cluster.put(roots("no PEM"))
    assert key in story.woken_by(read_change(CONFIG_MAP, story.cluster.objects[BUNDLE]))
    story.passes(10)
    await story.reconcile(key)
    assert valid(story, key)[:2] == ("False", "CaBundleInvalid")

    story.cluster.put(roots())
    await story.reconcile(key)
    assert valid(story, key) == ("True", "Valid", "")


async def test_a_bundle_of_the_same_file_may_come_a_moment_later():
    story = Story(AUTH_CONFIGS)
    trust = {"issuer": "https://idp.example.com", "caBundleRef": {"configMapRef": {"name": "roots"}}}
    story.cluster.edit(IDP, lambda each: each["spec"].update(inline=trust))
    story.cluster.edit(IDP, lambda each: each["metadata"].update(creationTimestamp="2026-05-04T12:00:00Z"))
    again = await story.reconcile(IDP)
    assert again == 10.0
    assert valid(story, IDP)[:2] == ("Unknown", "CaBundleNotFound")
    story.passes(again)
    await story.reconcile(IDP)
    assert valid(story, IDP)[:2] == ("False", "CaBundleNotFound")
    assert notes(story, IDP) == [("Normal", "CaBundleNotFound"), ("Warning", "CaBundleNotFound")]


async def test_settings_that_do_not_validate_say_where_they_are_wrong():
    story = Story(AUTH_CONFIGS)
    story.cluster.edit(IDP, lambda each: each["spec"]["inline"].update(issuer="http://idp.example.com"))
    await story.reconcile(IDP)
    status, reason, message = valid(story, IDP)
    assert (status, reason) == ("False", "Invalid")
    assert "spec.inline.issuer: " in message
    assert "write https" in message


async def test_who_refers_to_settings_stands_in_their_status_and_follows():
    story = Story(VMCP + SERVER + ENTRY + AUTH_CONFIGS)
    keys = {"externalAuthConfigRef": {"name": "keys"}}
    one = next(ref for ref in story.cluster.objects if ref.name == "one")
    story.cluster.edit(Ref(SERVER_KIND, "default", "files"), lambda each: each["spec"].update(keys))
    story.cluster.edit(Ref(ENTRY_KIND, "default", "docs"), lambda each: each["spec"].update(keys))
    incoming = {"type": "oidc", "oidcConfigRef": {"name": "idp"}, "authzConfigRef": {"name": "policies"}}
    outgoing = {"default": {"type": "externalAuthConfigRef", **keys}, "backends": {"files": keys, "docs": "odd"}}
    story.cluster.edit(one, lambda each: each["spec"].update(incomingAuth=incoming, outgoingAuth=outgoing))
    for key in ALL_THREE:
        await story.reconcile(key)
    endpoint = {"kind": "VirtualMCPServer", "name": "one"}
    entry, server = {"kind": "MCPServerEntry", "name": "docs"}, {"kind": "MCPServer", "name": "files"}
    assert story.status(KEYS)["referencingWorkloads"] == [server, entry, endpoint]
    assert story.status(IDP)["referencingWorkloads"] == [endpoint]
    assert story.status(POLICIES)["referencingWorkloads"] == [endpoint]
    assert story.status(KEYS)["referenceCount"] == 3

    docs = Ref(ENTRY_KIND, "default", "docs")
    story.cluster.edit(docs, lambda each: each["spec"].pop("externalAuthConfigRef"))
    assert KEYS in story.woken_by(read_change(ENTRY_KIND, story.cluster.objects[docs]))
    story.passes(10)
    await story.reconcile(KEYS)
    assert story.status(KEYS)["referencingWorkloads"] == [server, endpoint]
