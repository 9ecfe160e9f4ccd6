"""Tool search in a cluster: config, Secret and CA bundle, and what the status says of it."""

import json
from dataclasses import replace

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.manifests import ENTRY, GROUP, SERVER, VMCP
from tests.support.certificates import CA_CERTIFICATE
from vmcp_api.pod_status import HYBRID, STORE_UNAVAILABLE, Counts, SearchReport, SecretReport, StoreReport
from vmcp_operator.plan.kinds import CONFIG_MAP, DEPLOYMENT, Ref
from vmcp_operator.watch import read_change

CONFIG = Ref(CONFIG_MAP, "default", "vmcp-one-c1")
ROOTS = Ref(CONFIG_MAP, "default", "roots")
REST = GROUP + SERVER + ENTRY
URL = "https://embeddings.example.com/v1"
KEY = {"name": "embeddings", "key": "apiKey"}
ASKED = VMCP + "  config: {optimizer: {embeddings: {url: https://embeddings.example.com/v1}}}\n" + REST
FOUND = SearchReport(HYBRID)


def searched(story):
    return json.loads(story.cluster.objects[CONFIG]["data"]["config.json"]).get("config", {}).get("optimizer")


def told(story):
    condition = story.condition(ONE, "ToolSearchConfigured")
    return condition["status"], condition["reason"]


def words(story):
    return story.condition(ONE, "ToolSearchConfigured")["message"]


def ask(**embeddings):
    return lambda each: each["spec"]["config"]["optimizer"].update(embeddings={"url": URL, **embeddings})


async def report(story, **said):
    story.run_pod(ONE, report=healthy(story, "files", "docs", **said))
    story.passes(10)
    await story.reconcile(ONE)


async def test_an_endpoint_that_asks_for_nothing_lists_all_tools():
    story = await serving(VMCP + REST)
    assert searched(story) is None
    assert told(story) == ("True", "Off")
    assert "listedContextBytes" not in story.status(ONE)


async def test_a_reference_to_an_embedding_server_switches_tool_search_on_and_valid_says_that_it_is_not_needed():
    story = await serving(VMCP + "  embeddingServerRef: {name: tei}\n" + REST)
    assert searched(story) == {}
    assert told(story) == ("True", "Configured")
    valid = story.condition(ONE, "Valid")
    assert valid["status"] == "True"
    assert "the EmbeddingServer 'tei' is not asked, as tools are ranked in the process" in valid["message"]
    assert story.status(ONE)["phase"] == "Ready"


@pytest.mark.scenario("T-1")
async def test_the_status_says_what_a_list_costs_without_tool_search_and_with_it():
    story = await serving(ASKED)
    counts = Counts(tools=300, context_bytes=400_000, listed_context_bytes=2_100)
    story.run_pod(ONE, report=replace(healthy(story, "files", "docs", search=FOUND), counts=counts))
    story.passes(10)
    await story.reconcile(ONE)
    status = story.status(ONE)
    assert (status["contextBytes"], status["listedContextBytes"]) == (400_000, 2_100)


@pytest.mark.scenario("T-7")
async def test_an_api_key_is_mounted_and_not_read_and_its_lack_is_told_and_stops_nothing():
    story = await serving(ASKED)
    story.cluster.edit(ONE, ask(apiKeySecretRef=KEY))
    await story.reconcile(ONE)
    assert searched(story)["embeddings"]["apiKeySecretRef"] == KEY
    volumes = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]["spec"]["volumes"]
    (secrets,) = [each["projected"]["sources"] for each in volumes if each["name"] == "secrets"]
    assert [each["secret"]["name"] for each in secrets] == ["embeddings"]

    await report(story, search=FOUND, missing_secrets=("embeddings/apiKey",))
    assert told(story) == ("False", "SecretNotFound")
    assert words(story) == (
        "Secret keys are not there: embeddings/apiKey; create them, the pods take them over; tools are ranked without"
        " it meanwhile"
    )
    assert story.condition(ONE, "AuthConfigured")["status"] == "True"
    assert story.status(ONE)["phase"] == "Ready"

    flawed = SecretReport("embeddings/apiKey", "is empty; write a value, or remove the header")
    await report(story, search=FOUND, invalid_secrets=(flawed,))
    assert told(story) == ("False", "SecretInvalid")
    await report(story, search=FOUND)
    assert told(story) == ("True", "Configured")
    assert words(story) == ""


@pytest.mark.scenario("T-7")
async def test_a_server_of_embeddings_that_is_away_and_a_process_without_vectors_are_told():
    story = await serving(ASKED)
    await report(story, search=SearchReport(HYBRID, StoreReport(STORE_UNAVAILABLE, "HTTP status 503")))
    assert told(story) == ("False", "EmbeddingsUnavailable")
    assert words(story) == (
        "the server of embeddings cannot be asked: HTTP status 503; tools are ranked without it meanwhile"
    )
    assert story.status(ONE)["phase"] == "Ready"
    await report(story, search=SearchReport())
    assert told(story) == ("True", "Configured")
    assert words(story) == "tools are ranked by words alone, without vectors"


@pytest.mark.parametrize("was_in_force", [True, False], ids=["one was in force", "none was"])
async def test_a_ca_bundle_that_is_missing_keeps_what_was_in_force_and_wakes_its_endpoint_when_it_comes(was_in_force):
    story = await serving(ASKED if was_in_force else ASKED.replace("{embeddings: {url: " + URL + "}}", "{}"))
    before = searched(story)
    story.cluster.edit(ONE, ask(caBundleRef={"configMapRef": {"name": "roots"}}))
    await story.reconcile(ONE)
    assert searched(story) == before
    await report(story, search=FOUND)
    assert told(story) == ("False", "CaBundleNotFound")
    kept = "the one that was in force is asked" if was_in_force else "tools are ranked without it"
    assert words(story).endswith(f"; {kept}")
    assert story.status(ONE)["phase"] == "Ready"
    assert "ConfigMap 'roots' does not exist" in story.status(ONE)["message"]

    metadata = {"name": "roots", "namespace": "default"}
    story.cluster.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": CA_CERTIFICATE}}
    )
    assert ONE in story.woken_by(read_change(CONFIG_MAP, story.cluster.objects[ROOTS]))
    await story.reconcile(ONE)
    assert searched(story)["embeddings"] == {"url": URL, "caBundle": CA_CERTIFICATE}
