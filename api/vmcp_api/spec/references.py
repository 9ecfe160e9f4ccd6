"""References by name within one namespace."""

from typing import Annotated, Final

from pydantic import Field

from vmcp_api.base import Model, Name

CERTIFICATE_KEY: Final = "tls.crt"
PRIVATE_KEY: Final = "tls.key"
"""Keys of a Secret of type `kubernetes.io/tls`."""


class NameRef(Model):
    """Another object of the same namespace."""

    name: Annotated[Name, Field(description="Name of an object in the same namespace.")]


class KeyRef(Model):
    """One key of a Secret or ConfigMap of the same namespace."""

    name: Annotated[Name, Field(description="Name of the object that holds the key.")]
    key: Annotated[
        str,
        Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Key within the object."),
    ]


class CaBundleKeyRef(Model):
    """One key of a ConfigMap of the same namespace."""

    name: Annotated[Name, Field(description="Name of the ConfigMap.")]
    key: Annotated[
        str,
        Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Key within it."),
    ] = "ca.crt"


class CaBundleRef(Model):
    """Where the CA certificates are."""

    config_map_ref: Annotated[CaBundleKeyRef, Field(description="ConfigMap key with CA certificates (PEM).")]

    @property
    def key_ref(self) -> KeyRef:
        """The same as a reference to any key."""
        return KeyRef(name=self.config_map_ref.name, key=self.config_map_ref.key)
