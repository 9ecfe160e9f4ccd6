"""Session keys from a mounted Secret."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from vmcp_api.manifests.problems import Problem, Problems
from vmcp_proxy.cli.files import list_visible
from vmcp_proxy.keys.keyring import KEY_BYTES, BadKeyError
from vmcp_proxy.run.reload import ConfigSource, Reading
from vmcp_proxy.sessions import Keyring


@dataclass(frozen=True, slots=True)
class KeyedSource:
    """Another source with the session keys of a folder: each file is a key, its name the key id.

    `may_be_empty` lets the process start before keys are mounted; it is not ready until they are.
    """

    inner: ConfigSource
    folder: Path
    may_be_empty: bool

    def paths(self) -> Iterable[Path]:
        """See `ConfigSource`."""
        return (*self.inner.paths(), self.folder, *list_visible(self.folder))

    def load(self) -> Reading | Problems:
        """See `ConfigSource`."""
        outcome = self.inner.load()
        if isinstance(outcome, Problems):
            return outcome
        files = [file for file in list_visible(self.folder) if file.is_file()]
        if not files and self.may_be_empty:
            return outcome
        try:
            keyring = Keyring.of({file.name: file.read_bytes() for file in files})
        except BadKeyError as error:
            remedy = f"write {KEY_BYTES} random bytes: head -c {KEY_BYTES} /dev/urandom > {self.folder}/1"
            return Problems.of(Problem(str(error), remedy, file=str(self.folder)))
        except OSError as error:
            return Problems.of(
                Problem(f"cannot be read: {error.strerror}", "correct its permissions", file=error.filename)
            )
        return replace(outcome, loaded=replace(outcome.loaded, keyring=keyring))
