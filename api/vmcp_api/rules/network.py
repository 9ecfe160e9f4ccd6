"""The rules on who may connect to pods; the API server would refuse the NetworkPolicy later, in words about that."""

import ipaddress
from typing import Final

from vmcp_api.kinds.pods import IPBlock, LabelOperator, LabelSelectorRequirement, NetworkPeer
from vmcp_api.rules.rule import require

NETWORK_PATTERN: Final = "^[0-9a-fA-F:.]+/[0-9]{1,3}$"
NO_NETWORK: Final = "is no network; write one such as 10.0.0.0/8 or fd00::/8"

_WITH_VALUES: Final = (LabelOperator.IN, LabelOperator.NOT_IN)


def is_network(text: str) -> bool:
    """Whether a text is a network in CIDR form; bits beyond the mask do not matter."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


NETWORK_RULES: Final = (
    require(
        NetworkPeer,
        ("ipBlock",),
        "!has(self.ipBlock) || (!has(self.namespaceSelector) && !has(self.podSelector))",
        "stands beside selectors; make it an entry of its own",
        lambda peer: peer.ip_block is None or (peer.namespace_selector is None and peer.pod_selector is None),
    ),
    require(
        IPBlock,
        ("cidr",),
        f"self.cidr.matches('{NETWORK_PATTERN}')",
        NO_NETWORK,
        lambda block: is_network(block.cidr),
    ),
    require(
        LabelSelectorRequirement,
        ("values",),
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
        "goes with the operators In and NotIn, and these need it; write both or neither",
        lambda label: (label.operator in _WITH_VALUES) == bool(label.values),
    ),
)
"""The rules on peers of NetworkPolicies."""
