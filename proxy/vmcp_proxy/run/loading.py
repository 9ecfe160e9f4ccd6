"""What the proxy runs by: a config and the values of the secrets that it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vmcp_api.config import ProxyConfig
from vmcp_api.headers import trim_secret
from vmcp_api.manifests.problems import Problems
from vmcp_api.render.codec import config_hash, decode_config
from vmcp_api.render.secretrefs import secret_refs, secret_uses
from vmcp_api.secret import SecretBytes, SecretKey
from vmcp_api.spec.references import KeyRef
from vmcp_proxy.sessions import Keyring


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config with its secrets; `missing` are the references that have no value now.

    `keyring` holds the mounted session keys; None where none are mounted.
    """

    config: ProxyConfig
    secrets: Mapping[SecretKey, SecretBytes] = field(default_factory=dict, repr=False)
    keyring: Keyring | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """The hash of the config, as the operator computes it."""
        return config_hash(self.config)

    @property
    def missing(self) -> tuple[KeyRef, ...]:
        """References without a value, each once, in the order of the config."""
        refs = dict.fromkeys(secret_refs(self.config))
        return tuple(ref for ref in refs if (ref.name, ref.key) not in self.secrets)

    @property
    def flaws(self) -> dict[KeyRef, str]:
        """What keeps values that are there from being used, as `SecretUse.find_flaw` says it, in the same order."""
        found: dict[KeyRef, str] = {}
        for use in secret_uses(self.config):
            secret = self.secrets.get((use.ref.name, use.ref.key))
            if secret is not None and (flaw := use.find_flaw(secret.reveal())):
                found.setdefault(use.ref, flaw)
        return found

    def usable(self, ref: KeyRef | None) -> bytes | None:
        """The value behind a reference; None where there is none, or one that lets in nowhere, as it is empty."""
        value = None if ref is None else self.value(ref)
        return value if value and value.strip() else None

    def value(self, ref: KeyRef) -> bytes | None:
        """The value behind a reference, without the line break that files end with."""
        secret = self.secrets.get((ref.name, ref.key))
        return None if secret is None else trim_secret(secret.reveal())


def read_mounted(config_file: Path, secrets_folder: Path) -> Loaded | Problems:
    """Reads a rendered config and, from `<folder>/<name>/<key>`, the secrets that it names.

    Raises:
        OSError: the config file cannot be read.
    """
    config = decode_config(config_file.read_text(encoding="utf-8"), str(config_file))
    if isinstance(config, Problems):
        return config
    secrets: dict[SecretKey, SecretBytes] = {}
    for ref in secret_refs(config):
        path = secrets_folder / ref.name / ref.key
        if path.is_file():
            secrets[ref.name, ref.key] = SecretBytes(path.read_bytes())
    return Loaded(config, secrets)
