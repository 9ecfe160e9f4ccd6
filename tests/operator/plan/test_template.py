import pytest

from vmcp_api.manifests.problems import Problems
from vmcp_operator.plan.objects.template import check_partial, merge_template

SELECTOR = {"app": "vmcp"}
BASE = {
    "metadata": {"labels": {"app": "vmcp"}},
    "spec": {
        "containers": [{"name": "vmcp", "image": "a", "args": ["x"], "env": [{"name": "A", "value": "1"}]}],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "securityContext": {"runAsNonRoot": True},
    },
}


def merge(patch):
    return merge_template(BASE, patch, SELECTOR)


def test_a_container_is_merged_by_name_and_a_new_one_is_added():
    patch = {"spec": {"containers": [{"name": "vmcp", "resources": {"limits": {"cpu": "1"}}}, {"name": "side"}]}}
    vmcp, side = merge(patch)["spec"]["containers"]
    assert (vmcp["image"], vmcp["resources"]) == ("a", {"limits": {"cpu": "1"}})
    assert side == {"name": "side"}


def test_environment_merges_and_arguments_are_replaced():
    patch = {"spec": {"containers": [{"name": "vmcp", "args": ["y"], "env": [{"name": "B", "value": "2"}]}]}}
    (container,) = merge(patch)["spec"]["containers"]
    assert container["args"] == ["y"]
    assert [each["name"] for each in container["env"]] == ["A", "B"]


def test_null_removes_a_field_and_a_directive_removes_an_entry():
    assert "securityContext" not in merge({"spec": {"securityContext": None}})["spec"]
    assert merge({"spec": {"volumes": [{"name": "tmp", "$patch": "delete"}]}})["spec"]["volumes"] == []
    replaced = merge({"spec": {"securityContext": {"$patch": "replace", "fsGroup": 1}}})
    assert replaced["spec"]["securityContext"] == {"fsGroup": 1}


def test_no_patch_changes_nothing_and_none_changes_the_base():
    before = repr(BASE)
    assert merge(None) == BASE == merge({})
    merge({"metadata": {"labels": {"x": "y"}}, "spec": {"volumes": [{"name": "more"}]}})
    assert repr(BASE) == before


@pytest.mark.parametrize(
    ("patch", "path", "words"),
    [
        ({"spec": []}, "spec.podTemplateSpec.spec", "must be a mapping"),
        ({"spec": {"containers": {}}}, "spec.podTemplateSpec.spec.containers", "must be a list"),
        ({"spec": {"containers": [{"image": "a"}]}}, "spec.podTemplateSpec.spec.containers[0]", "needs name"),
        ({"spec": {"volumes": ["x"]}}, "spec.podTemplateSpec.spec.volumes[0]", "needs name"),
        ({"template": {}}, "spec.podTemplateSpec", "unknown field 'template'"),
        ({"metadata": {"labels": {"app": "other"}}}, "spec.podTemplateSpec.metadata.labels", "changes the labels"),
        ({"metadata": {"labels": None}}, "spec.podTemplateSpec.metadata.labels", "changes the labels"),
    ],
)
def test_a_patch_of_another_shape_is_refused_with_its_place(patch, path, words):
    problems = merge(patch)
    assert isinstance(problems, Problems)
    (problem,) = problems
    assert problem.path == path
    assert words in problem.message
    assert problem.remedy


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ([], "must be a mapping"),
        ({"spec": {}, "speck": {}}, "has an unknown field 'speck'; a pod template has metadata and spec"),
        ({"spec": {"containers": [{"resources": {}}]}}, "needs name"),
        ({"spec": {"tolerations": {}}}, "must be a list"),
        ({"spec": {"nodeSelector": []}}, "must be a mapping"),
        ({"metadata": {"labels": None}}, "changes the labels by which the pods are found (app.kubernetes.io/name)"),
        ({"metadata": None}, "changes the labels by which the pods are found"),
        ({"metadata": {"labels": {"app.kubernetes.io/name": "x"}}}, "changes the labels by which the pods are found"),
        (
            {"metadata": {"labels": {"app.kubernetes.io/instance": "x"}}},
            "the operator's own (app.kubernetes.io/instance)",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_the_template_of_every_proxy_is_told(patch, words):
    assert words in check_partial(patch)


def test_what_can_be_the_template_of_every_proxy_passes():
    assert check_partial({}) is None
    container = {"name": "vmcp", "resources": {"limits": {"cpu": 1}}}
    spec = {"containers": [container], "imagePullSecrets": [{"name": "pull"}], "nodeSelector": {"disk": "ssd"}}
    assert check_partial({"metadata": {"labels": {"team": "x"}}, "spec": spec}) is None
