"""Rights of the operator, taken away for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from e2e.support.installation import RELEASE
from e2e.support.kube import Kube, Manifest


@contextmanager
def without(system: Kube, resource: str, verb: str) -> Iterator[Callable[[], None]]:
    """One right of the operator taken away; what is yielded gives it back before the end."""
    (role,) = (each for each in system.list("clusterroles", f"app.kubernetes.io/instance={RELEASE}") if each["rules"])
    ref, rules = f"clusterrole/{role['metadata']['name']}", role["rules"]
    fewer = [split for rule in rules for split in _drop(rule, resource, verb)]
    assert fewer != rules
    system.patch(ref, {"rules": fewer})
    try:
        yield lambda: system.patch(ref, {"rules": rules})
    finally:
        system.patch(ref, {"rules": rules})


def _drop(rule: Manifest, resource: str, verb: str) -> list[Manifest]:
    if resource not in rule["resources"]:
        return [rule]
    others = [each for each in rule["resources"] if each != resource]
    kept = [each for each in rule["verbs"] if each != verb]
    split = [{**rule, "resources": [resource], "verbs": kept}]
    return [*split, *([{**rule, "resources": others}] if others else [])]
