"""Processes of `vmcp` that begin with its imports done: forks of a process that has made them.

The imports are most of what a command takes, and the same each time. What is left out is what comes before the first
line of `vmcp_proxy.cli.entry`, and the order of imports: for these see `tests/proxy/cli/test_imports.py` and the tests
of packaging and of the demo, which start commands as a shell does.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from multiprocessing import reduction
from pathlib import Path
from typing import Any

from vmcp_proxy.cli import entry

PIPE = asyncio.subprocess.PIPE
DEVNULL = asyncio.subprocess.DEVNULL

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.support.preloaded"])
_LINE_BYTES = 1 << 26


class _Descriptor:
    """A file descriptor that goes along to the fork, and arrives there as a number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _arrive, (reduction.DupFd(self._number),)


def _arrive(sent: Any) -> int:
    return int(sent.detach())


def _become(
    main: Callable[[], object],
    arguments: Sequence[str],
    std: Sequence[int],
    env: Mapping[str, str],
    at: Path,
    ignored: Collection[int],
) -> None:
    """Runs in the fork: takes over what a new process is given, and is the command then."""
    for number, (descriptor, name) in enumerate(zip(std, ("stdin", "stdout", "stderr"), strict=True)):
        os.dup2(descriptor, number)
        os.close(descriptor)
        was, buffering = getattr(sys, f"__{name}__"), 1 if name == "stderr" else -1
        stream = open(number, "w" if number else "r", buffering, was.encoding, was.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    # As from a terminal, also where the tests run in the background or under nohup.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    for each in ignored:
        signal.signal(each, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(at)
    sys.argv = ["vmcp", *arguments]
    main()


@contextlib.contextmanager
def _fork(
    arguments: Sequence[str],
    std: Sequence[int],
    env: Mapping[str, str] | None,
    main: Callable[[], object] = entry.main,
    ignored: Collection[int] = (),
) -> Iterator[Any]:
    """A `multiprocessing.Process` for the length of a block, at whose end it is killed if need be."""
    given = (main, arguments, [_Descriptor(each) for each in std], dict(env or os.environ), Path.cwd(), ignored)
    process = _FORKS.Process(target=_become, args=given, daemon=True)
    process.start()
    try:
        yield process
    finally:
        if process.exitcode is None:
            process.kill()
        process.join()
        process.close()


def run(
    *arguments: str, seconds: float, env: Mapping[str, str] | None = None, main: Callable[[], object] = entry.main
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that has nothing to read.

    Raises:
        TimeoutError: it did not end within that many seconds.
    """
    with Path(os.devnull).open() as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with _fork(arguments, [each.fileno() for each in (nothing, out, err)], env, main) as process:
            process.join(seconds)
            code = process.exitcode
        out.seek(0)
        err.seek(0)
        said = err.read().decode()
        if code is None:
            raise TimeoutError(f"vmcp {arguments} did not end; it has said: {said}")
        return code, out.read().decode(), said


class Running:
    """As much of an `asyncio.subprocess.Process` as tests use; those standard streams that are pipes are here."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    def __init__(self, process: Any) -> None:
        self._process = process
        self._ended = asyncio.Event()
        self.pid: int = process.pid
        self.returncode: int | None = None
        asyncio.get_running_loop().add_reader(process.sentinel, self._note_end)

    def _note_end(self) -> None:
        self.forget()
        self.returncode = self._process.exitcode
        self._ended.set()

    def forget(self) -> None:
        """Waits for its end no longer."""
        asyncio.get_running_loop().remove_reader(self._process.sentinel)

    def send_signal(self, number: int) -> None:
        # Another process reaps it, and may do so now.
        if self._process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def communicate(self) -> tuple[bytes, bytes]:
        """What comes on the streams that are pipes until it has ended."""
        out = await self.stdout.read() if hasattr(self, "stdout") else b""
        err = await self.stderr.read()
        await self.wait()
        return out, err

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode


@contextlib.asynccontextmanager
async def running(
    *arguments: str,
    stdin: int = DEVNULL,
    stdout: int = DEVNULL,
    stderr: int = PIPE,
    env: Mapping[str, str] | None = None,
    ignored: Collection[int] = (),
) -> AsyncIterator[Running]:
    """A command for the length of a block, at whose end it is killed if need be; streams as for `asyncio`'s.

    `ignored` are the signals that whoever starts it ignores.
    """
    async with contextlib.AsyncExitStack() as ours:
        with contextlib.ExitStack() as theirs:
            std, pipes = [], {}
            for name, asked in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
                given = asked
                if asked == PIPE:
                    ends = os.pipe()
                    given, mine = ends if name == "stdin" else reversed(ends)
                    pipes[name] = await ours.enter_async_context(_open(name, mine))
                elif asked == DEVNULL:
                    given = os.open(os.devnull, os.O_RDWR)
                if given != asked:
                    theirs.callback(os.close, given)
                std.append(given)
            process = Running(ours.enter_context(_fork(arguments, std, env, ignored=ignored)))
        ours.callback(process.forget)
        for name, stream in pipes.items():
            setattr(process, name, stream)
        yield process


@contextlib.asynccontextmanager
async def _open(name: str, descriptor: int) -> AsyncIterator[asyncio.StreamReader | asyncio.StreamWriter]:
    """The stream at our end of a pipe."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(_LINE_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    if name == "stdin":
        transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(descriptor, "wb", 0))
        stream: Any = asyncio.StreamWriter(transport, protocol, reader, loop)
    else:
        transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))
        stream = reader
    try:
        yield stream
    finally:
        transport.close()
