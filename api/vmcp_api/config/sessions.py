"""Where session metadata lives, as a proxy is told."""

from typing import Annotated

from pydantic import Field

from vmcp_api.spec.sessions import RedisTls, SessionStorage


class StorageTls(RedisTls):
    """TLS to Redis, with the CA certificates themselves."""

    ca_bundle: Annotated[
        str | None, Field(max_length=1 << 18, description="CA certificates (PEM); copied from `caBundleRef`.")
    ] = None


class StorageConfig(SessionStorage):
    """The shared store of session metadata, with all that it takes to reach it but the passwords."""

    tls: Annotated[StorageTls, Field(description="TLS to Redis.")] = StorageTls()
