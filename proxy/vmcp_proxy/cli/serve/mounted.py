"""Where `vmcp serve` gets its config from in a pod: mounted volumes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vmcp_api.manifests.problems import Problem, Problems
from vmcp_proxy.cli.files import list_visible
from vmcp_proxy.run.loading import read_mounted
from vmcp_proxy.run.reload import Reading


@dataclass(frozen=True, slots=True)
class MountedSource:
    """A rendered config and the Secrets beside it, `<folder>/<name>/<key>`, as pods get them."""

    config: Path
    secrets: Path | None = None

    def paths(self) -> Iterable[Path]:
        """See `ConfigSource`: the config, and every key of every Secret."""
        holders = () if self.secrets is None else list_visible(self.secrets)
        return (self.config, *(key for holder in holders for key in list_visible(holder)))

    def load(self) -> Reading | Problems:
        """See `ConfigSource`."""
        try:
            # Without a folder of Secrets nothing may be taken from the folder that the process stands in.
            outcome = read_mounted(self.config, self.secrets or self.config / "none")
        except OSError as error:
            file = str(error.filename or self.config)
            remedy = "mount it, or correct the path"
            return Problems.of(Problem(f"cannot be read: {error.strerror}", remedy, file=file))
        except UnicodeDecodeError:
            return Problems.of(Problem("is not written in UTF-8", "let it be written again", file=str(self.config)))
        return outcome if isinstance(outcome, Problems) else Reading(outcome)
