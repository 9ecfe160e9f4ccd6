"""Values of Secrets as a config names them, and what keeps a backend from getting one."""

from vmcp_api.headers import canonical_name, find_value_flaw
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.references import KeyRef
from vmcp_proxy.run.loading import Loaded


class MissingSecretError(Exception):
    """A key of a Secret is needed that has no value."""

    def __init__(self, secret: str, key: str) -> None:
        super().__init__(f"Secret {secret!r} has no key {key!r}; create it, it is taken over")


class InvalidSecretError(Exception):
    """A key of a Secret has a value that cannot be used; `flaw` says why and what to do, without the value."""

    def __init__(self, secret: str, key: str, flaw: str) -> None:
        super().__init__(f"key {key!r} of Secret {secret!r} {flaw}")


class InvalidHeaderError(Exception):
    """A header of the config cannot be sent; `flaw` as above."""

    def __init__(self, header: str, flaw: str) -> None:
        super().__init__(f"the value of {canonical_name(header)} {flaw}")


def required(loaded: Loaded, ref: KeyRef) -> bytes:
    """The value behind a reference.

    Raises:
        MissingSecretError: there is none.
    """
    value = loaded.value(ref)
    if value is None:
        raise MissingSecretError(ref.name, ref.key)
    return value


def text_of(loaded: Loaded, name: str, key: str) -> str:
    """A value that is text.

    Raises:
        MissingSecretError: there is none.
        InvalidSecretError: it is not text.
    """
    try:
        return required(loaded, KeyRef(name=name, key=key)).decode()
    except UnicodeDecodeError:
        # Not even as a cause: the error of the codec holds the value.
        raise InvalidSecretError(name, key, "is not text in UTF-8; write it again") from None


def header_value(loaded: Loaded, ref: KeyRef) -> SecretBytes:
    """A value that a header can have.

    Raises:
        MissingSecretError: there is none.
        InvalidSecretError: it cannot be sent; left out of the requests it would be missed at the backend only.
    """
    value = required(loaded, ref)
    if flaw := find_value_flaw(value):
        raise InvalidSecretError(ref.name, ref.key, flaw)
    return SecretBytes(value)
