"""Models of objects: one version of an object is parsed once."""

import copy
import json

from tests.operator.harness import read_manifests
from tests.operator.manifests import ENTRY
from vmcp_api.kinds.foreign.core import ConfigMap
from vmcp_api.manifests.problems import Problems
from vmcp_operator.reconcile.models import Models


def entry(uid="u1", version="1", **spec):
    (manifest,) = read_manifests(ENTRY)
    manifest["metadata"] |= {"uid": uid, "resourceVersion": version, "namespace": "default"}
    manifest["spec"] |= spec
    return manifest


def test_a_version_of_an_object_is_parsed_once_and_another_one_anew():
    models = Models()
    first = models.parse(entry())
    assert models.parse(copy.deepcopy(entry())) is first
    edited = models.parse(entry(version="2", remoteUrl="https://other.example/mcp"))
    assert edited.spec.remote_url == "https://other.example/mcp"
    # The version before is not asked for again by anybody who reads in order; it would be parsed once more.
    assert models.parse(entry()).spec.remote_url != edited.spec.remote_url


def test_what_does_not_validate_is_remembered_too_until_it_is_corrected():
    models = Models()
    broken = models.parse(entry(remoteUrl=5))
    assert isinstance(broken, Problems)
    assert models.parse(entry(remoteUrl=5)) is broken
    assert not isinstance(models.parse(entry(version="2")), Problems)


def test_an_object_that_was_made_again_is_another_one():
    models = Models()
    assert models.parse(entry(uid="u2", remoteUrl=5)) is not models.parse(entry())


def test_so_many_are_kept_the_one_read_longest_ago_goes_first():
    models = Models(most=2)
    one, two = models.parse(entry("one")), models.parse(entry("two"))
    assert models.parse(entry("one")) is one
    models.parse(entry("three"))
    assert len(models) == 2
    assert models.parse(entry("one")) is one
    assert models.parse(entry("two")) is not two


def test_so_many_bytes_are_kept_and_a_version_that_was_replaced_does_not_count():
    size = len(json.dumps(entry("one")))
    models = Models(most_bytes=2 * size)
    one, two = models.parse(entry("one")), models.parse(entry("two"))
    assert models.parse(entry("two", version="2")) is not two
    assert models.parse(entry("one")) is one
    models.parse(entry("big", remoteUrl="https://docs.example/" + "x" * size))
    assert len(models) == 1
    assert models.parse(entry("one")) is not one
    assert not isinstance(models.parse(entry("huge", remoteUrl="https://a.example/" + "x" * 3 * size)), ConfigMap)
    assert len(models) == 0, "what alone is more is parsed each time"


def test_objects_of_others_are_not_kept():
    models = Models()
    metadata = {"name": "a", "namespace": "default", "uid": "u1", "resourceVersion": "1"}
    assert isinstance(
        models.parse({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}), ConfigMap
    )
    assert len(models) == 0
