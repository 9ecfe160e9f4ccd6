from vmcp_operator.plan.kinds import CONFIG_MAP, MCP_GROUP, POD, SERVER, VMCP, Ref
from vmcp_operator.reconcile.dependents import Change, Dependents

ONE = Ref(VMCP, "default", "one")
TWO = Ref(VMCP, "default", "two")
GROUP = Ref(MCP_GROUP, "default", "tools")
FILES = Ref(SERVER, "default", "files")
CA = Ref(CONFIG_MAP, "default", "ca")


def declared():
    dependents = Dependents()
    dependents.begin(ONE)
    assert not dependents.declare(ONE, {GROUP, FILES, CA})
    return dependents


def test_a_resource_of_ours_wakes_itself_and_a_pod_its_owner():
    assert declared().keys_of(Change(TWO, group="other")) == {TWO, Ref(MCP_GROUP, "default", "other")}
    assert declared().keys_of(Change(Ref(POD, "default", "p"), owner=ONE)) == {ONE}


def test_a_member_wakes_the_endpoints_of_the_group_that_it_joins_and_of_the_one_that_it_leaves():
    dependents = declared()
    joining = Ref(SERVER, "default", "new")
    assert dependents.keys_of(Change(joining, group="tools")) == {joining, GROUP, ONE}
    assert dependents.keys_of(Change(FILES, group="elsewhere")) == {FILES, Ref(MCP_GROUP, "default", "elsewhere"), ONE}


def test_an_endpoint_does_not_wake_the_other_endpoints_of_its_group():
    assert declared().keys_of(Change(TWO, group="tools")) == {TWO, GROUP}


def test_a_config_map_wakes_those_that_refer_to_it_even_before_it_exists():
    assert declared().keys_of(Change(CA)) == {ONE}
    assert declared().keys_of(Change(Ref(CONFIG_MAP, "default", "unrelated"))) == frozenset()


def test_a_change_between_the_reads_and_the_declaration_is_told_with_the_declaration():
    dependents = Dependents()
    dependents.begin(ONE)
    assert dependents.keys_of(Change(CA)) == frozenset()
    assert dependents.declare(ONE, {CA}) is True
    dependents.begin(ONE)
    assert dependents.declare(ONE, {CA}) is False


def test_what_is_forgotten_wakes_nobody():
    dependents = declared()
    dependents.forget(ONE)
    assert dependents.keys_of(Change(CA)) == frozenset()


def test_a_member_that_joins_does_not_wake_the_other_members_of_its_group():
    dependents = Dependents()
    dependents.begin(FILES)
    joining = Ref(SERVER, "default", "new")
    assert dependents.keys_of(Change(joining, group="tools")) == {joining, GROUP}
    assert dependents.declare(FILES, {GROUP}) is False
    assert dependents.keys_of(Change(joining, group="tools")) == {joining, GROUP}
    assert dependents.keys_of(Change(GROUP)) == {GROUP, FILES}


def test_a_member_that_joins_while_its_endpoint_reads_is_told_with_the_declaration():
    dependents = Dependents()
    dependents.begin(ONE)
    dependents.keys_of(Change(Ref(SERVER, "default", "new"), group="tools"))
    assert dependents.declare(ONE, {GROUP}) is True
