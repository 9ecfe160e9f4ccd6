"""A URI that a backend could take for another one is not what a policy about URIs admits."""

import json

import msgspec
import pytest

from tests.proxy.core.policy.cedar.helpers import admitter, decided, entry, shown, unknown, who
from tests.proxy.core.policy.cedar.test_replay import judged, recorded
from vmcp_proxy.core.owners.owner import resource_of
from vmcp_proxy.core.policy.questions import Action, Question
from vmcp_proxy.protocol.kinds import Kind

pytestmark = pytest.mark.scenario("Z-3")

ALICE = who("alice")
FILES = entry(Kind.TEMPLATE, "file:///{+path}")
PUBLIC = 'permit(principal, action, resource) when { resource.uri like "file:///public/*" };'
NOT_SECRET = (
    "permit(principal, action, resource);",
    'forbid(principal, action, resource) when { resource.name like "file:///public/secret/*" };',
)
IN_B = 'permit(principal, action, resource in Backend::"b");'
PLAIN = [
    "x",
    "x/y.z",
    "a%20b",
    "100%25",
    "a%23b",
    "%C3%A9",
    "\u00e9",
    ".well-known/x",
    "a..b/c..",
    "...",
    "a//b",
    "?q=1.5",
]
ODD = ["../x", "a/../../x", ".", "..", "./x", "%2e%2e/x", ".%2E/x", "%252e%252e/x", "..%2fx", "a%2Fb", "%5c..%5cx"]
ODD += ["..\\x", "\x00", "%00", "a%0Ab", "\x7f", "a b", "a\t", "\u2028", "#/../x", "#x", "..;/x", "?f=../x"]
ODD += ["%73ecret/x", "%c0%ae%c0%ae/x", "%u002e./x", "%", "%25252525252e./x"]


@pytest.mark.parametrize("policies", [(PUBLIC,), NOT_SECRET])
@pytest.mark.parametrize("rest", ODD)
async def test_a_uri_that_two_readers_could_take_for_two_is_denied_like_one_that_is_unknown(policies, rest):
    ours = admitter(*policies)
    nobody = await unknown(admitter(PUBLIC), ALICE, "nothing", Action.READ_RESOURCE)
    assert not nobody.admits
    read = await decided(ours, ALICE, FILES, name=f"file:///public/{rest}")
    other = await unknown(ours, ALICE, f"file:///public/{rest}", Action.READ_RESOURCE)
    # Why is for who runs the endpoint: it stands in no audit and in no answer.
    assert read.flaw == other.flaw != ""
    assert msgspec.structs.replace(read, flaw="") == msgspec.structs.replace(other, flaw="") == nobody


@pytest.mark.parametrize("policies", [(PUBLIC,), NOT_SECRET])
@pytest.mark.parametrize("rest", PLAIN)
async def test_other_expansions_are_decided_on_as_they_are(policies, rest):
    assert (await decided(admitter(*policies), ALICE, FILES, name=f"file:///public/{rest}")).admits


@pytest.mark.parametrize("rest", ODD)
async def test_the_uri_of_a_listed_resource_is_its_own_however_it_is_spelt(rest):
    listed = entry(Kind.RESOURCE, f"file:///public/{rest}")
    assert (await decided(admitter(PUBLIC), ALICE, listed)).admits
    assert shown(admitter(PUBLIC), ALICE, listed, FILES) == [listed.exposed, FILES.exposed]


@pytest.mark.parametrize("policies", [(PUBLIC,), NOT_SECRET])
@pytest.mark.parametrize("rest", ODD)
async def test_that_its_backend_is_known_makes_no_uri_a_listed_one(policies, rest):
    ours, known = admitter(*policies), resource_of(f"file:///public/{rest}", "b")
    read = await decided(ours, ALICE, known)
    some = await ours.decide(Question(ALICE, Action.READ_RESOURCE, known, known.original, is_open=True))
    assert (read.admits, some.admits) == (False, False)
    assert read.flaw == some.flaw != ""


@pytest.mark.parametrize("rest", PLAIN)
async def test_what_is_not_listed_is_decided_on_as_it_is_where_its_spelling_is_plain(rest):
    assert (await decided(admitter(PUBLIC), ALICE, resource_of(f"file:///public/{rest}", "b"))).admits


@pytest.mark.parametrize(
    ("policy", "more", "admits"),
    [
        (IN_B, {}, True),
        ('permit(principal, action, resource in Backend::"b") unless { resource == Tool::"t" };', {}, True),
        ('permit(principal, action, resource in Backend::"b") unless { resource == Resource::"x" };', {}, False),
        ('permit(principal, action, resource in Backend::"b") unless { resource.name like "x*" };', {}, False),
        (
            IN_B + ' forbid(principal, action == Action::"call_tool", resource) when { resource.name like "x*" };',
            {},
            True,
        ),
        (
            'permit(principal, action, resource in Backend::"b") unless { resource in Set::"secret" };',
            {"entities": json.dumps([{"uid": {"type": "Resource", "id": "x"}, "attrs": {}, "parents": []}])},
            False,
        ),
    ],
)
async def test_how_a_uri_is_spelt_counts_only_where_it_could_change_a_decision(policy, more, admits):
    decision = await decided(admitter(policy, **more), ALICE, FILES, name="file:///a%2Fb")
    assert decision.admits is admits


async def test_of_a_recorded_read_it_is_not_known_whether_such_a_uri_was_listed():
    plain, odd = (recorded(ALICE, entry(Kind.RESOURCE, f"file:///public/{rest}")) for rest in ("x", "../x"))
    assert (await judged([PUBLIC], plain)).outcome == "allow"
    verdict = await judged([PUBLIC], odd)
    assert (verdict.outcome, verdict.lacks) == (None, ("whether the URI is listed",))
    assert (await judged([PUBLIC], recorded(ALICE, entry(Kind.RESOURCE, "file:///../x")))).outcome == "deny"
    assert (await judged(["permit(principal, action, resource);"], odd)).outcome == "allow"
