"""What workloads measure with: backends, contenders and load generators, started and ended with a block."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks import jobs
from benchmarks.child import START_SECONDS, Child, python, running
from benchmarks.contenders.roster import Roster
from benchmarks.contenders.site import Contender, Launch, Site, await_ready
from benchmarks.jobs import Done
from benchmarks.ports import free_port
from benchmarks.procfs import Usage

_JOB_SECONDS = 900.0


class RefusedError(Exception):
    """A contender does not start, or answers a job wrongly or not at all."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much a run does; one size for figures, one to see that all works."""

    turns: int = 5
    seconds: float = 3.0
    warm_seconds: float = 1.0
    connections: int = 16
    workflows: int = 100
    live_sessions: int = 10_000
    cycles: int = 10_000
    streams: int = 5_000
    tools: int = 1_000
    backends: int = 20
    growth_backends: tuple[int, ...] = (1, 10, 100)
    growth_sessions: tuple[int, ...] = (1, 100, 1_000, 10_000)
    redis_seconds: float = 90.0
    starts: int = 5
    search_tools: tuple[int, ...] = (1_000, 10_000)
    catalogs: tuple[tuple[int, int], ...] = ((1, 2), (20, 2), (100, 2), (20, 50), (100, 50))
    """Backends, and tools of each, the fewest first."""


QUICK = Scale(
    turns=1,
    seconds=0.2,
    warm_seconds=0.1,
    workflows=10,
    live_sessions=200,
    cycles=200,
    streams=100,
    tools=100,
    backends=5,
    growth_backends=(5,),
    growth_sessions=(50,),
    redis_seconds=2.0,
    starts=1,
    search_tools=(100,),
    catalogs=((1, 2), (3, 2), (3, 5)),
)
"""A smoke run: everything once, nothing to quote."""


class Load:
    """A load generator that works for one contender."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def do(self, job: jobs.Job) -> Done:
        """Does a job.

        Raises:
            RefusedError: the contender answered wrongly or not at all.
        """
        self._child.write_line(msgspec.json.encode(job).decode())
        done = msgspec.json.decode(self._child.read_line(_JOB_SECONDS), type=Done)
        if done.error:
            raise RefusedError(done.error)
        return done


class Backends:
    """The backends of one process."""

    def __init__(self, child: Child) -> None:
        self._child = child
        ports = child.read_line(START_SECONDS).split()[1:]
        self.ports = tuple(int(port) for port in ports)
        self.urls = tuple(f"http://127.0.0.1:{port}/mcp" for port in self.ports)

    @property
    def requests(self) -> int:
        """How many requests they got so far."""
        self._child.write_line("count")
        return int(self._child.read_line(START_SECONDS))


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender that runs; `child` is what its cost is read from, None for the backend itself."""

    name: str
    title: str
    port: int
    path: str = "/mcp"
    child: Child | None = None
    ready_seconds: float = 0.0
    authorization: str = ""

    def usage(self) -> Usage:
        """What it has used so far; nothing where nobody stands between."""
        return self.child.usage() if self.child is not None else Usage(0.0, 0)


@dataclass(frozen=True, slots=True)
class Starting:
    """A contender that was started and may not be ready yet."""

    contender: Contender
    site: Site
    launch: Launch
    child: Child

    def ready(self, patience: float) -> Entrant:
        """Waits until it serves.

        Raises:
            RefusedError: it does not.
        """
        launch, child = self.launch, self.child
        try:
            seconds = await_ready(launch, lambda: child.is_running, patience)
            if launch.settle is not None:
                launch.settle()
        except EOFError as error:
            raise RefusedError(f"{error}: {child.last_words()}") from error
        except OSError as error:
            raise RefusedError(str(error)) from error
        return Entrant(
            self.contender.name, self.contender.title, self.site.port, launch.path, child, seconds, launch.authorization
        )


@dataclass(slots=True)
class Rig:
    """Starts what workloads ask for, in one folder."""

    folder: Path
    roster: Roster
    scale: Scale
    patience: float = START_SECONDS
    _count: int = field(default=0, init=False)

    @contextlib.contextmanager
    def backends(self, count: int = 1, tools: int = 2, hang: int = 0, *, is_sse: bool = False) -> Iterator[Backends]:
        """Backends for the time of a block."""
        options = ["--backends", str(count), "--tools", str(tools), "--hang", str(hang), *(["--sse"] if is_sse else [])]
        with running(Child(python("backend", *options), self.folder / "backend.log")) as child:
            yield Backends(child)

    @contextlib.contextmanager
    def load(self) -> Iterator[Load]:
        """A load generator for the time of a block."""
        with running(Child(python("load"), self.folder / "load.log")) as child:
            yield Load(child)

    @contextlib.contextmanager
    def entered(self, contender: Contender, urls: Sequence[str]) -> Iterator[Entrant]:
        """A contender that is ready, for the time of a block.

        Raises:
            RefusedError: it does not start.
        """
        with self.started(contender, urls) as starting:
            yield starting.ready(self.patience)

    @contextlib.contextmanager
    def started(self, contender: Contender, urls: Sequence[str]) -> Iterator[Starting]:
        """A contender on its way, for the time of a block: several may start at once."""
        folder = self.folder / f"{self._count:03}-{contender.name}"
        self._count += 1
        folder.mkdir()
        site = Site(folder, free_port(), free_port(), tuple(urls))
        launch = contender.launch(site)
        with running(Child(launch.command, folder / "log", env=launch.env, cwd=folder, is_quiet=True)) as child:
            yield Starting(contender, site, launch, child)
        shutil.rmtree(folder, ignore_errors=True)

    def direct(self, backends: Backends) -> Entrant:
        """The line to the first backend with nobody between."""
        return Entrant("direct", "direct to the backend", backends.ports[0])
