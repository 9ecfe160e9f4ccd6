"""Audit lines in files, pipes and on standard output: whole, for their owner alone, and lost by no rotation."""

import contextlib
import errno
import fcntl
import os
import resource
import threading

import pytest

from tests.proxy.observability.queueing import LOGGER, SECONDS, lines, numbers_in, queued
from vmcp_proxy.observability.audit import queue as module
from vmcp_proxy.observability.audit.sinks import streams
from vmcp_proxy.observability.audit.sinks.sink import SinkAwayError
from vmcp_proxy.observability.audit.sinks.streams import FileSink, StreamSink

pytestmark = pytest.mark.scenario("O-5")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.005)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(streams, "_PATIENCE_SECONDS", 0.01)


def file_sink(path, **settings):
    return FileSink(path, LOGGER, **settings)


def mode_of(path):
    return path.stat().st_mode & 0o777


def all_numbers(folder):
    """What stands in a file and its former ones, oldest first."""
    files = sorted(folder.iterdir(), key=lambda path: -int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0)
    return numbers_in(b"".join(path.read_bytes() for path in files))


def test_a_file_is_appended_to_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "audit"
    path.write_bytes(b'{"n":-1}\n')
    for start in (0, 500):
        with queued(file_sink(path)) as queue:
            for line in lines(range(start, start + 500)):
                queue.write(line)
    assert numbers_in(path.read_bytes()) == list(range(-1, 1000))
    with queued(file_sink(tmp_path / "new")) as queue:
        queue.write(*lines([0]))
    assert mode_of(tmp_path / "new") == 0o600
    with pytest.raises(OSError, match="No such file"):
        file_sink(tmp_path / "none" / "audit").open()


def test_processes_that_share_a_file_rotate_it_once(tmp_path, monkeypatch):
    path = tmp_path / "audit"
    sink = file_sink(path, most_bytes=40, keep=1)
    sink.send(lines(range(4)))
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        # Somebody else is about to rotate it: better a long file than one that is rotated away twice.
        sink.send(lines(range(4, 8)))
        assert [each.name for each in tmp_path.iterdir()] == ["audit"]

    def late(*_):
        # They were quicker, and the file of now is theirs.
        path.rename(tmp_path / "audit.1")
        path.write_bytes(b"".join(lines([8])))

    monkeypatch.setattr(streams.fcntl, "flock", late)
    sink.send(lines([9]))
    sink.close()
    assert all_numbers(tmp_path) == list(range(10))


def test_it_is_rotated_by_size_and_the_oldest_are_removed(tmp_path):
    path = tmp_path / "audit"
    sink = file_sink(path, most_bytes=40, keep=3)
    for start in range(0, 60, 6):
        assert sink.send(lines(range(start, start + 6))) == 0
    sink.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["audit", "audit.1", "audit.2", "audit.3"]
    assert all(each.stat().st_size <= 40 and mode_of(each) == 0o600 for each in tmp_path.iterdir())
    kept = all_numbers(tmp_path)
    assert kept == list(range(60 - len(kept), 60))
    assert len(kept) >= 12
    # A line that is longer than a file may be has one of its own.
    sink = file_sink(path, most_bytes=40, keep=3)
    long = b'{"n":60,"x":"' + b"x" * 100 + b'"}\n'
    sink.send([long, *lines([61])])
    sink.close()
    assert [numbers_in((tmp_path / name).read_bytes()) for name in ("audit.1", "audit")] == [[60], [61]]


def test_where_it_may_not_be_rotated_it_grows_and_nothing_is_lost(tmp_path, caplog):
    path = tmp_path / "audit"
    (tmp_path / "audit.1").mkdir()
    (tmp_path / "audit.1" / "occupied").touch()
    sink = file_sink(path, most_bytes=40)
    for start in range(0, 30, 3):
        sink.send(lines(range(start, start + 3)))
    sink.close()
    assert numbers_in(path.read_bytes()) == list(range(30))
    assert [record.getMessage() for record in caplog.records] == ["audit file cannot be rotated, it grows"]


@pytest.mark.parametrize("recreates", [False, True])
def test_nothing_is_lost_while_others_rotate_it(tmp_path, recreates):
    path = tmp_path / "audit"
    written, over = threading.Event(), threading.Event()

    def rotate():
        for number in range(1, 40):
            assert written.wait(SECONDS)
            path.rename(tmp_path / f"audit.{40 - number}")
            if recreates:
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
            written.clear()
        over.set()

    rotating = threading.Thread(target=rotate)
    rotating.start()
    with queued(file_sink(path)) as queue:
        number = 0
        while not over.is_set():
            for line in lines(range(number, number + 50)):
                queue.write(line)
            number += 50
            if path.exists():
                written.set()
            over.wait(0.002)
    rotating.join(SECONDS)
    assert all_numbers(tmp_path) == list(range(number))


def test_a_full_disk_leaves_whole_lines_only_and_what_waits_is_written_when_there_is_room(tmp_path):
    """The limit on the size of files stands for a disk: the kernel writes a part, then none."""
    path = tmp_path / "audit"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = file_sink(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(SinkAwayError) as failed:
            sink.send(lines(range(50)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    written = path.read_bytes()
    assert written.endswith(b"\n")
    assert numbers_in(written) == list(range(failed.value.sent))
    assert 0 < failed.value.sent < 50
    sink.send(lines(range(failed.value.sent, 50)))
    sink.close()
    assert numbers_in(path.read_bytes()) == list(range(50))


def test_a_pipe_that_nobody_reads_holds_up_nothing_and_loses_nothing(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    count = 20_000
    with queued(file_sink(path)) as queue:
        for line in lines(range(count)):
            queue.write(line)
        assert queue.waiting == count
        descriptor = os.open(path, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as reader:
            got = b"".join(reader.readline() for _ in range(count))
        assert numbers_in(got) == list(range(count))
    assert queue.dropped == 0


def test_a_pipe_that_takes_a_part_of_a_line_gets_the_rest_of_it():
    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    os.set_blocking(receiving, False)
    with os.fdopen(receiving, "rb", buffering=0) as reader, os.fdopen(sending, "wb", buffering=0):
        sink = StreamSink(sending)
        waiting = lines(range(30_000))
        got = b""
        while waiting:
            try:
                sink.send(waiting)
                waiting = []
            except SinkAwayError as away:
                waiting = waiting[away.sent :]
            got += reader.read(1000) or b""
        while chunk := reader.read(1 << 20):
            got += chunk
            if len(chunk) < 1 << 16:
                break
    assert numbers_in(got) == list(range(30_000))


def test_a_descriptor_that_fails_says_why():
    receiving, sending = os.pipe()
    os.close(receiving)
    with os.fdopen(sending, "wb", buffering=0), pytest.raises(SinkAwayError) as failed:
        StreamSink(sending).send(lines([1]))
    assert failed.value.reason == os.strerror(errno.EPIPE)
