"""kubectl as functions: its kubeconfig, its credential plugins and its rights are those of the person who asks."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from vmcp_api.trouble.pods import Manifest
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import first_line

_SECONDS: Final = 30
"""What one answer of the API server may take."""

_LISTENS: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_DENIED: Final = re.compile(r"\(Forbidden\)|forbidden:|Unauthorized|must be logged in")
_LOGGED: Final = re.compile(r"^[IWEF]\d{4} [^\n]*\n?", re.MULTILINE)
"""Lines of the log of kubectl's own libraries, before what it says."""
_ABSENT: Final = re.compile(r"\(NotFound\)|doesn't have a resource type|no matches for kind")


class DeniedError(Exception):
    """The API server does not let this person read something."""


class AbsentError(Exception):
    """There is no such object, or no such kind."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the options that choose a cluster and a namespace; None leaves the choice to the kubeconfig."""

    program: str
    options: tuple[str, ...] = ()
    namespace: str | None = None

    @classmethod
    def found(cls, options: tuple[str, ...], namespace: str | None) -> "Kubectl":
        """The kubectl of the PATH, or the one that the variable `KUBECTL` names.

        Raises:
            CommandError: there is none.
        """
        program = shutil.which(os.environ.get("KUBECTL") or "kubectl")
        if program is None:
            raise CommandError(Exit.UNAVAILABLE, "there is no kubectl", "install it, or name one by KUBECTL")
        return cls(program, options, namespace)

    def list(self, kinds: str, *arguments: str, everywhere: bool = False) -> list[Manifest]:
        """The objects of one or several kinds, in the namespace or in all.

        Raises:
            DeniedError: this person may not read them.
            AbsentError: the cluster has no such kind.
            CommandError: no answer.
        """
        found = self.read("get", kinds, "--output=json", *arguments, everywhere=everywhere)
        items = json.loads(found or "{}").get("items")
        return list(items or ())

    def get(self, kind: str, name: str) -> Manifest | None:
        """One object; None where there is none.

        Raises:
            DeniedError: this person may not read it.
            AbsentError: the cluster has no such kind.
            CommandError: no answer.
        """
        found = self.read("get", kind, name, "--output=json", "--ignore-not-found")
        loaded: Manifest | None = json.loads(found) if found.strip() else None
        return loaded

    def read(self, *arguments: str, everywhere: bool = False) -> str:
        """What kubectl prints.

        Raises:
            DeniedError: this person may not read it.
            AbsentError: there is no such kind or object.
            CommandError: no answer.
        """
        command = self.command(*arguments, f"--request-timeout={_SECONDS}s", everywhere=everywhere)
        try:
            done = subprocess.run(  # noqa: S603 - the person's own kubectl
                command, capture_output=True, text=True, check=False, timeout=2 * _SECONDS, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandError(Exit.UNAVAILABLE, f"kubectl gave no answer ({type(error).__name__})") from None
        if done.returncode:
            raise _refusal(done.stderr)
        return done.stdout

    def run(self, *arguments: str) -> int:
        """Runs kubectl on this terminal; its exit code."""
        return subprocess.run(self.command(*arguments), check=False).returncode  # noqa: S603 - as in read

    def command(self, verb: str, *arguments: str, everywhere: bool = False) -> Sequence[str]:
        """The command line; kubectl takes what stands before a flag that not all its verbs have for a plugin."""
        if everywhere:
            chosen: tuple[str, ...] = ("--all-namespaces",)
        else:
            chosen = () if self.namespace is None else (f"--namespace={self.namespace}",)
        return (self.program, verb, *self.options, *chosen, *arguments)

    @contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """A port of a pod or Deployment on this machine's loopback, for the length of a block.

        The kubelet connects within the pod, so that no NetworkPolicy is in the way.

        Raises:
            CommandError: it cannot be had.
        """
        command = self.command("port-forward", "--address=127.0.0.1", target, f":{port}")
        with subprocess.Popen(  # noqa: S603 - as in read
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                line = process.stdout.readline() if process.stdout else ""
                listens = _LISTENS.search(line)
                if listens is None:
                    process.terminate()
                    said = first_line(process.stderr.read() if process.stderr else "") or "no reason given"
                    raise CommandError(Exit.UNAVAILABLE, f"kubectl port-forward {target}: {said}")
                yield int(listens[1])
            finally:
                process.terminate()


def _refusal(stderr: str) -> Exception:
    said = (
        first_line(_LOGGED.sub("", stderr)).removeprefix("Error from server ").removeprefix("error: ")
        or "no reason given"
    )
    if _DENIED.search(stderr):
        return DeniedError(said)
    if _ABSENT.search(stderr):
        return AbsentError(said)
    return CommandError(Exit.UNAVAILABLE, f"kubectl: {said}", "check the context and whether the cluster is up")
