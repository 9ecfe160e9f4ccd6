"""The policies in the documentation do what it says of them."""

import re
from pathlib import Path

import pytest

from tests.proxy.core.policy.cedar.helpers import a_tool, admitter, decided, entry, who
from vmcp_proxy.protocol.kinds import Kind

PAGE = Path(__file__).parents[5] / "docs/how-to/policies.md"
BLOCKS = re.findall(r"```cedar\n(.*?)```", PAGE.read_text(), re.DOTALL)
DEV, PLATFORM, OTHER = who("a", groups=["dev"]), who("b", groups=["platform"]), who("c", account="7", scope="x prompts")
TRANSFER = a_tool("bank_transfer", "bank")
FILE = entry(Kind.TEMPLATE, "file:///{+path}", "files")

CASES = [
    ("readers", OTHER, a_tool("search", read_only=True), None, "", True),
    ("readers", OTHER, a_tool("search"), None, "", False),
    ("platform", PLATFORM, a_tool("anything"), None, "", True),
    ("platform", DEV, a_tool("anything"), None, "", False),
    ("github-team", DEV, a_tool("github_merge", "github"), None, "", True),
    ("github-team", DEV, a_tool("other", "gitlab"), None, "", False),
    ("no-deleting", DEV, a_tool("github_delete_repo", "github"), None, "", False),
    ("small-transfers", OTHER, TRANSFER, {"amount": 500, "account": "7"}, "", True),
    ("small-transfers", OTHER, TRANSFER, {"amount": 501, "account": "7"}, "", False),
    ("small-transfers", OTHER, TRANSFER, {"amount": 5, "account": "8"}, "", False),
    ("small-transfers", OTHER, TRANSFER, {"amount": "5", "account": "7"}, "", False),
    ("public-files", DEV, FILE, None, "file:///public/a/b.txt", True),
    ("public-files", DEV, FILE, None, "file:///etc/passwd", False),
    ("by-scope", OTHER, entry(Kind.PROMPT, "p"), None, "", True),
    ("by-scope", DEV, entry(Kind.PROMPT, "p"), None, "", False),
]


@pytest.mark.scenario("Z-3")
@pytest.mark.parametrize(("policy", "identity", "capability", "arguments", "name", "allowed"), CASES)
async def test_an_example_of_the_documentation_does_what_it_says(
    policy, identity, capability, arguments, name, allowed
):
    (block,) = [block for block in BLOCKS if f'@id("{policy}")' in block]
    decision = await decided(admitter(block), identity, capability, arguments, name)
    assert (decision.outcome == "allow") is allowed
    if allowed or policy == "no-deleting":
        assert policy in decision.policies


def test_every_example_is_tried():
    assert set(re.findall(r'@id\("([\w-]+)"\)', "".join(BLOCKS))) == {case[0] for case in CASES}
    (yaml,) = re.findall(r"- (permit.*;)\n", PAGE.read_text())
    assert admitter(yaml).ids == ["policy0"]
