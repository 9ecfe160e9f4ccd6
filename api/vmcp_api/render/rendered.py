"""What a rendering yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vmcp_api.config import ProxyConfig
from vmcp_api.manifests.problems import Problems
from vmcp_api.secret import SecretBytes, SecretKey


class Mode(StrEnum):
    """Where the proxy will run."""

    CLUSTER = "cluster"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A config, the values of the secrets that it refers to, and what is wrong without stopping it.

    In cluster mode ``secrets`` is empty: pods mount them.
    """

    config: ProxyConfig
    secrets: Mapping[SecretKey, SecretBytes] = field(default_factory=dict)
    warnings: Problems = field(default_factory=Problems)
