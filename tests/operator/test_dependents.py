from vmcp_api.manifests.resources import Resources
from vmcp_operator.plan.groups.group import group_reads
from vmcp_operator.plan.kinds import CONFIG_MAP, MCP_GROUP, POD, SERVER, VMCP, Ref
from vmcp_operator.plan.members import members_of
from vmcp_operator.reconcile.dependents import Change, Dependents

ONE = Ref(VMCP, "default", "one")
TWO = Ref(VMCP, "default", "two")
GROUP = Ref(MCP_GROUP, "default", "tools")
FILES = Ref(SERVER, "default", "files")
CA = Ref(CONFIG_MAP, "default", "ca")
OTHER = Ref(MCP_GROUP, "default", "other")


def group_declared():
    dependents = Dependents()
    for group in (GROUP, OTHER):
        dependents.begin(group)
        dependents.declare(group, group_reads(group, Resources("default")))
    return dependents


def declared():
    dependents = group_declared()
    dependents.begin(ONE)
    assert not dependents.declare(ONE, {GROUP, *members_of(GROUP), FILES, CA})
    return dependents


def test_a_resource_of_ours_wakes_itself_and_a_pod_its_owner():
    assert declared().keys_of(Change(TWO, points_to=(OTHER,))) == {TWO, OTHER}
    assert declared().keys_of(Change(Ref(POD, "default", "p"), owner=ONE)) == {ONE}


def test_a_member_wakes_the_endpoints_of_the_group_that_it_joins_and_of_the_one_that_it_leaves():
    dependents = declared()
    joining = Ref(SERVER, "default", "new")
    assert dependents.keys_of(Change(joining, points_to=(GROUP,))) == {joining, GROUP, ONE}
    assert dependents.keys_of(Change(FILES, points_to=(OTHER,))) == {FILES, OTHER, ONE}


def test_an_endpoint_does_not_wake_the_other_endpoints_of_its_group():
    assert declared().keys_of(Change(TWO, points_to=(GROUP,))) == {TWO, GROUP}


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
    dependents = group_declared()
    dependents.begin(FILES)
    joining = Ref(SERVER, "default", "new")
    assert dependents.keys_of(Change(joining, points_to=(GROUP,))) == {joining, GROUP}
    assert dependents.declare(FILES, {GROUP}) is False
    assert dependents.keys_of(Change(joining, points_to=(GROUP,))) == {joining, GROUP}
    assert dependents.keys_of(Change(GROUP)) == {GROUP, FILES}


def test_a_member_that_joins_while_its_endpoint_reads_is_told_with_the_declaration():
    dependents = Dependents()
    dependents.begin(ONE)
    dependents.keys_of(Change(Ref(SERVER, "default", "new"), points_to=(GROUP,)))
    assert dependents.declare(ONE, {GROUP, *members_of(GROUP)}) is True


def test_what_was_read_before_a_failure_wakes_the_key_beside_what_was_read_before():
    dependents = declared()
    dependents.begin(ONE)
    dependents.extend(ONE, {OTHER})
    assert dependents.keys_of(Change(OTHER)) == {OTHER, ONE}
    assert dependents.keys_of(Change(CA)) == {ONE}


def test_a_change_of_the_resource_itself_is_its_own_key_and_no_reason_to_read_again():
    dependents = Dependents()
    dependents.begin(ONE)
    assert dependents.keys_of(Change(ONE)) == {ONE}
    assert dependents.declare(ONE, {ONE, CA}) is False
