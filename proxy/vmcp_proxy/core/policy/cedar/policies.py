"""Policy text as Cedar reads it, each policy with the id that people know it by."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from cedarpy import PolicySet, policies_to_pst, pst

from vmcp_api.text.cedar_text import find_policy_flaws
from vmcp_proxy.core.policy.cedar.reads import ForeignArgumentError, Reads, join, reads_of, with_arguments_in_context
from vmcp_proxy.core.policy.questions import Action

_ID: Final = "id"
_LONGEST_ID: Final = 128


class PolicyError(ValueError):
    """Policies or entities that cannot be used; the text is fit for the operator and the status."""


class Policy(msgspec.Struct, frozen=True):
    """One policy: `key` is Cedar's id for it, `id` that of its `@id`, else the same."""

    key: str
    id: str
    node: pst.Template
    reads: Reads

    @property
    def forbids(self) -> bool:
        """Whether it takes away."""
        return self.node.effect == "forbid"

    @property
    def may_be_about_reads(self) -> bool:
        """Whether its scope leaves room for the reading of resources."""
        action = self.node.action
        return not isinstance(action, pst.ActionEq) or action.entity.id == Action.READ_RESOURCE


class Policies(msgspec.Struct, frozen=True):
    """The policies of one set, by key, with all that they read."""

    by_key: Mapping[str, Policy]
    handle: PolicySet
    reads: Reads

    @property
    def nodes(self) -> tuple[pst.Template, ...]:
        """Their syntax, in their order."""
        return tuple(policy.node for policy in self.by_key.values())


def read_policies(texts: Sequence[str]) -> Policies:
    """The policies of all texts, counted from 0 over all of them.

    Raises:
        PolicyError: a text is no Cedar, there is no policy at all, or there are too many.
    """
    for position, flaw in find_policy_flaws(texts):
        raise PolicyError(f"policies[{position}]: {flaw}; {flaw.remedy}")
    policies: list[Policy] = []
    for position, text in enumerate(texts):
        where = f"policies[{position}]"
        for node in _parse(text):
            policies.append(_policy(node, f"policy{len(policies)}", where))
    by_key = {policy.key: policy for policy in policies}
    return Policies(by_key, handle_of([policy.node for policy in policies]), join(each.reads for each in policies))


def without(policies: Policies, keys: Collection[str]) -> Policies:
    """The others of a set."""
    kept = {key: policy for key, policy in policies.by_key.items() if key not in keys}
    nodes = [policy.node for policy in kept.values()]
    return Policies(kept, handle_of(nodes), reads_of(nodes))


def handle_of(nodes: Sequence[pst.Template]) -> PolicySet:
    """The policies as Cedar evaluates them.

    Raises:
        PolicyError: one is nested too deeply.
    """
    static = pst.FrozenMap({node.id: node for node in nodes})
    try:
        return PolicySet.from_pst(pst.PolicySet(pst.FrozenMap({}), static, ()))
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"policies: {error}") from None


def _parse(text: str) -> Sequence[pst.Template]:
    # By the numbers that Cedar counts them by, which is their order in the text.
    return sorted(policies_to_pst(text).static_policies.values(), key=lambda node: int(node.id.removeprefix("policy")))


def _policy(node: pst.Template, key: str, where: str) -> Policy:
    moved: Any = with_arguments_in_context(replace(node, id=key))
    try:
        reads = reads_of((moved,))
    except ForeignArgumentError as error:
        text = f"{where}: {error} is read of something else than resource or context; write context.{error}"
        raise PolicyError(text) from None
    told = node.annotations.get(_ID) or key
    return Policy(key, told[:_LONGEST_ID], moved, reads)
