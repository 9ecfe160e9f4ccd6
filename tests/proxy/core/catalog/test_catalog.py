"""What a catalog finds, and when it counts as another one."""

import pytest

from tests.proxy.core.builders import listing, merged, settings
from vmcp_proxy.core.catalog.capabilities import Capability, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.kinds import Kind


def test_a_uri_belongs_to_its_resource_then_to_the_first_template_of_the_list():
    catalog = merged(
        listing("a", templates=["x://{+anything}"]),
        listing("b", templates=["x://items/{id}"], resources=["x://items/1"]),
    )
    owners = {
        uri: found.backend if (found := catalog.owner_of(uri)) is not None else None
        for uri in ("x://items/1", "x://items/2", "x://other", "y://items/1")
    }
    assert owners == {"x://items/1": "b", "x://items/2": "b", "x://other": "a", "y://items/1": None}


def test_names_are_found_by_kind():
    catalog = merged(listing("a", tools=["n"], prompts=["n"], resources=["a_n"]))
    assert {kind: catalog.find(kind, "a_n") is not None for kind in Kind} == {
        Kind.TOOL: True,
        Kind.RESOURCE: True,
        Kind.TEMPLATE: False,
        Kind.PROMPT: True,
    }
    assert catalog.find(Kind.TOOL, "n") is None


BASE = {"tools": (Capability(Kind.TOOL, "t", "a", "o", b'{"name":"t"}'),)}
OTHER_TOOL = Capability(Kind.TOOL, "u", "a", "u", b'{"name":"u"}')


@pytest.mark.parametrize(
    ("change", "is_visible_in_list"),
    [
        ({"tools": (Capability(Kind.TOOL, "t", "a", "o", b'{"name":"t" }'),)}, True),
        ({"tools": (*BASE["tools"], OTHER_TOOL)}, True),
        ({"tools": ()}, True),
        ({"tools": (Capability(Kind.TOOL, "t", "b", "o", b'{"name":"t"}'),)}, False),
        ({"tools": (Capability(Kind.TOOL, "t", "a", "p", b'{"name":"t"}'),)}, False),
        ({"hidden": (OTHER_TOOL,)}, False),
        ({"outcomes": {"a": Outcome("timeout", "")}}, False),
        ({"prompts": (Capability(Kind.PROMPT, "t", "a", "t", b'{"name":"t"}'),)}, False),
    ],
)
def test_the_version_follows_what_clients_see_and_whose_it_is(change, is_visible_in_list):
    base, changed = Catalog(**BASE), Catalog(**{**BASE, **change})
    assert changed.version != base.version
    assert (changed.digest_of(Kind.TOOL) != base.digest_of(Kind.TOOL)) is is_visible_in_list


def test_equal_content_has_an_equal_version_whatever_was_reported():
    one = listing("a", tools=["t"])
    reported = settings(tools=[{"workload": "gone"}])
    assert merged(one, a=Outcome()).version == merged(one, using=reported).version


def test_a_reduced_catalog_is_the_same_object_when_nothing_goes():
    catalog = merged(listing("a", tools=["t", "u"], prompts=["p"]))
    assert catalog.reduced(lambda _: True) is catalog


def test_a_reduced_catalog_tells_nothing_about_what_is_gone():
    catalog = merged(
        listing("a", tools=["t", "u", "h"]),
        listing("b", tools=["v"]),
        using=settings(tools=[{"workload": "a", "filter": ["t", "u", "typo"]}]),
        c=Outcome("timeout"),
    )
    reduced = catalog.reduced(lambda capability: capability.original == "u")
    assert [tool.exposed for tool in reduced.tools] == ["a_u"]
    assert reduced.find(Kind.TOOL, "a_t") is None
    assert (reduced.hidden, reduced.unmatched, reduced.conflicts) == ((), (), ())
    assert reduced.missing == catalog.missing
    assert reduced.version != catalog.version
