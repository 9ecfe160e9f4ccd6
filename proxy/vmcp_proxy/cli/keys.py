"""Session keys from a mounted Secret."""

from pathlib import Path

from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.manifests import list_visible
from vmcp_proxy.sessions import Keyring
from vmcp_proxy.sessions.keys import KEY_BYTES, BadKeyError


def read_keys(folder: Path) -> Keyring:
    """The keyring of a folder: each file is a key, its name the key id.

    Raises:
        CommandError: there is no key, or one cannot be used.
    """
    try:
        return Keyring.of({file.name: file.read_bytes() for file in list_visible(folder) if file.is_file()})
    except BadKeyError as error:
        remedy = f"write {KEY_BYTES} random bytes: head -c {KEY_BYTES} /dev/urandom > {folder}/1"
        raise CommandError(Exit.INVALID, f"{folder}: {error}", remedy) from None
    except OSError as error:
        message = f"{error.filename or folder}: cannot be read: {error.strerror}"
        raise CommandError(Exit.INVALID, message, "correct its permissions") from None
