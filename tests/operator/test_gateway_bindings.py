"""What a server that joins a group by itself may not do: stay without consent, take names, credentials or all room."""

from dataclasses import replace

import pytest

from tests.operator.harness import SETTINGS, Story, vmcp
from tests.operator.lifecycle import BINDING, CONFIG, TOOLS, bound, config, events, serve, served, takes
from tests.operator.manifests import ENTRY, GROUP, LIFECYCLE_SERVERS, SERVER
from vmcp_api.render import server as render
from vmcp_operator.plan.groups import binding
from vmcp_operator.plan.kinds import ENTRY as ENTRY_KIND
from vmcp_operator.plan.kinds import GATEWAY_BINDING, MCP_GROUP, Ref
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND
from vmcp_operator.plan.vmcp import config as vmcp_config
from vmcp_operator.watch import read_change

pytestmark = pytest.mark.scenario("K-27")


def break_config(story: Story) -> None:
    story.cluster.edit(CONFIG, lambda each: each["data"].update(unknown="x"))


def name_no_group(story: Story) -> None:
    story.cluster.edit(CONFIG, lambda each: each["data"].update(group="nowhere"))


def name_no_config(story: Story) -> None:
    story.cluster.edit(BINDING, lambda each: each["spec"].pop("configRef"))


def name_no_server(story: Story) -> None:
    story.cluster.edit(BINDING, lambda each: each["spec"].update(mcpServerRef="../x"))


def remove_config(story: Story) -> None:
    story.cluster.remove(CONFIG)


@pytest.mark.parametrize("evade", [break_config, name_no_group, name_no_config, name_no_server, remove_config])
@pytest.mark.parametrize("is_first", [True, False])
async def test_consent_that_is_taken_back_holds_whatever_became_of_the_config_of_the_binding(evade, is_first):
    story = bound()
    await story.reconcile(BINDING)
    evade(story)
    story.passes(30)
    await story.reconcile(BINDING)
    assert story.has(ENTRY_KIND, "issues")
    story.cluster.edit(TOOLS, lambda group: group["spec"].update(allowGatewayBindings=False))
    assert BINDING in story.woken_by(read_change(MCP_GROUP, story.cluster.objects[TOOLS]))
    if is_first:
        await story.reconcile(vmcp())
        assert served(story) == []
    story.passes(30)
    await story.reconcile(BINDING)
    assert not story.has(ENTRY_KIND, "issues")


async def test_a_group_that_is_deleted_has_taken_its_consent_with_it_and_one_made_anew_has_to_give_it_again():
    story = bound()
    await story.reconcile(BINDING)
    break_config(story)
    story.cluster.remove(TOOLS)
    story.apply(GROUP)
    await story.reconcile(vmcp())
    assert served(story) == []
    story.cluster.remove(TOOLS)
    story.passes(30)
    await story.reconcile(BINDING)
    assert not story.has(ENTRY_KIND, "issues")


async def test_a_group_that_does_not_validate_for_a_moment_puts_no_server_out():
    story = bound()
    await story.reconcile(BINDING)
    story.cluster.edit(TOOLS, lambda group: group.update(spec={"allowGatewayBindings": "no"}))
    await story.reconcile(BINDING)
    assert story.has(ENTRY_KIND, "issues")


async def test_consent_that_is_taken_back_holds_where_the_operator_no_longer_looks_at_bindings():
    story = bound()
    await story.reconcile(BINDING)
    await story.reconcile(vmcp())
    assert served(story) == ["issues"]
    story.restart(replace(SETTINGS, lifecycle=False))
    story.cluster.edit(TOOLS, lambda group: group["spec"].update(allowGatewayBindings=False))
    story.passes(60)
    await story.reconcile(vmcp())
    assert served(story) == []
    assert config(story)["withheld"][0]["reason"] == "BindingNotAllowed"


async def test_credentials_that_an_endpoint_names_for_a_backend_go_to_none_that_joined_by_that_name():
    story = bound()
    token = {"type": "bearerToken", "bearerToken": {"tokenSecretRef": {"name": "prod", "key": "token"}}}
    story.cluster.edit(vmcp(), lambda each: each["spec"].update(outgoingAuth={"backends": {"issues": token}}))
    await story.reconcile(BINDING)
    await story.reconcile(vmcp())
    assert served(story) == []
    (withheld,) = config(story)["withheld"]
    assert withheld["reason"] == "NamedCredentials"
    assert "spec.serverRefs" in withheld["message"]
    assert "prod" not in str(config(story))
    story.cluster.edit(TOOLS, takes("issues", allowGatewayBindings=True))
    await story.reconcile(BINDING)
    await story.reconcile(TOOLS)
    story.passes(30)
    await story.reconcile(vmcp())
    assert config(story)["backends"][0]["outgoingAuth"]["type"] == "bearerToken", "the group's owner named it"


def crowd(story: Story, count: int) -> list[Ref]:
    """Bindings of as many servers."""
    bindings = []
    for number in range(count):
        text = LIFECYCLE_SERVERS.split("---")
        story.apply("---".join(text[:3]).replace("issues", f"s{number:03}"))
        bindings.append(Ref(GATEWAY_BINDING, "default", f"s{number:03}-gateway-binding"))
    return bindings


async def test_bindings_do_not_fill_a_group_so_that_its_endpoint_takes_no_more_changes(monkeypatch):
    for module in (render, binding, vmcp_config):
        monkeypatch.setattr(module, "MAX_BACKENDS", 4)
    story = bound(SERVER)
    bindings = crowd(story, 5)
    for each in bindings[:4]:
        await story.reconcile(each)
    await story.reconcile(TOOLS)
    await story.reconcile(vmcp())
    assert len(served(story)) == 4
    assert "files" in served(story), "what the owner of the group wrote comes first"
    assert "too many members: 1 that joined by binding are left out" in story.condition(vmcp(), "Valid")["message"]
    story.cluster.edit(vmcp(), lambda each: each["spec"].update(passthroughHeaders=["X-New"]))
    story.passes(30)
    await story.reconcile(vmcp())
    assert config(story)["passthroughHeaders"] == ["X-New"]
    await story.reconcile(bindings[3])
    assert story.condition(bindings[3], "Registered")["reason"] == "GroupFull"
    assert story.has(ENTRY_KIND, "s003"), "there may be room again"
    await story.reconcile(bindings[4])
    assert story.condition(bindings[4], "Registered")["reason"] == "GroupFull"
    assert not story.has(ENTRY_KIND, "s004")
    for each in bindings[:2]:
        story.cluster.remove(Ref(ENTRY_KIND, "default", each.name[:4]))
    story.passes(30)
    await story.reconcile(TOOLS)
    assert bindings[4] in story.woken_by(read_change(MCP_GROUP, story.cluster.objects[TOOLS]))
    await story.reconcile(bindings[4])
    assert story.has(ENTRY_KIND, "s004")


async def test_a_server_that_joins_in_health_is_no_warning_and_one_that_is_served_no_longer_is():
    story = bound()
    await story.reconcile(BINDING)
    serve(story)
    story.passes(10)
    await story.reconcile(BINDING)
    assert [(each["type"], each["reason"]) for each in events(story)] == [
        ("Normal", "NotServedYet"),
        ("Normal", "Registered"),
    ]
    story.cluster.edit(vmcp(), lambda each: each["status"].update(backends=[]))
    story.passes(60)
    await story.reconcile(BINDING)
    assert events(story)[-1]["type"] == "Warning"


async def test_a_server_of_ours_keeps_its_name_from_one_that_joins():
    text = SERVER.replace("name: files,", "name: issues,")
    story = bound(text)
    await story.reconcile(BINDING)
    assert not story.has(ENTRY_KIND, "issues")
    assert story.condition(BINDING, "Registered")["reason"] == "NameClash"
    ours = Ref(SERVER_KIND, "default", "issues")
    story.cluster.edit(ours, lambda each: each["spec"].update(groupRef={"name": "others"}))
    assert BINDING in story.woken_by(read_change(SERVER_KIND, story.cluster.objects[ours]))
    await story.reconcile(BINDING)
    assert story.has(ENTRY_KIND, "issues"), "one in another group is in nobody's way"
    story.apply(text)
    await story.reconcile(vmcp())
    assert served(story) == ["issues"]
    assert config(story)["backends"][0]["kind"] == "MCPServer", "whoever is reconciled first"
    assert "withheld" not in config(story)
    await story.reconcile(BINDING)
    assert not story.has(ENTRY_KIND, "issues")


async def test_an_entry_of_a_person_keeps_its_name_from_a_server_that_joins():
    story = bound(ENTRY.replace("name: docs,", "name: issues,"))
    await story.reconcile(BINDING)
    assert story.condition(BINDING, "Registered")["reason"] == "NameClash"
    assert story.live(ENTRY_KIND, "issues")["spec"]["remoteUrl"] == "https://docs.example.com/mcp"


@pytest.mark.parametrize("allowed", [True, False])
async def test_what_the_group_says_of_a_server_comes_before_its_binding_which_is_told_where_it_is_served(allowed):
    story = bound()
    await story.reconcile(BINDING)
    ref = {"name": "issues", "toolConfigRef": {"name": "curated"}}
    story.cluster.edit(TOOLS, lambda group: group.update(spec={"serverRefs": [ref], "allowGatewayBindings": allowed}))
    assert BINDING in story.woken_by(read_change(MCP_GROUP, story.cluster.objects[TOOLS]))
    await story.reconcile(TOOLS)
    await story.reconcile(BINDING)
    assert not story.has(ENTRY_KIND, "issues")
    await story.reconcile(TOOLS)
    entry = story.live(ENTRY_KIND, "issues")
    assert entry["spec"]["toolConfigRef"] == {"name": "curated"}
    assert [owner["kind"] for owner in entry["metadata"]["ownerReferences"]] == ["MCPGroup"]
    serve(story)
    story.passes(10)
    await story.reconcile(BINDING)
    assert story.condition(BINDING, "Registered")["status"] == "True"
    assert story.live(ENTRY_KIND, "issues") == entry
