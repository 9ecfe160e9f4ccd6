"""The watcher of files: which changes it tells of, and when."""

import asyncio

import pytest

from vmcp_proxy.cli.serve.mounted import MountedSource
from vmcp_proxy.cli.serve.sources import ManifestSource
from vmcp_proxy.run.reload import FileWatcher, has_lost

SECONDS = 10.0


def watch(*paths):
    return FileWatcher(lambda: paths, interval=0.02)


async def has_changed(watcher):
    async with asyncio.timeout(SECONDS):
        await watcher.changed()


async def stays_quiet(watcher, seconds=0.4):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await watcher.changed()


async def test_an_edit_in_place_and_an_atomic_rename_are_both_seen(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    watcher = watch(file)
    file.write_text("two and more")
    await has_changed(watcher)
    beside = tmp_path / "b"
    beside.write_text("two and more")
    beside.replace(file)
    await has_changed(watcher)
    await stays_quiet(watcher)


async def test_a_volume_that_swaps_its_data_link_is_seen(tmp_path):
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("same size " + name)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "config.json").symlink_to("..data/config.json")
    watcher = watch(tmp_path / "config.json")
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    await has_changed(watcher)


async def test_a_file_that_is_missing_for_a_moment_is_one_change_and_not_a_removal(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    watcher = watch(file)
    file.unlink()
    change = asyncio.create_task(has_changed(watcher))
    # Longer than two looks: without patience the watcher would have told of a removal.
    done, _ = await asyncio.wait((change,), timeout=0.5)
    assert not done
    file.write_text("two")
    await change
    assert file.read_text() == "two"
    await stays_quiet(watcher)


async def test_a_file_that_is_emptied_before_it_is_written_is_one_change(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    watcher = watch(file)
    with file.open("w") as writing:
        change = asyncio.create_task(has_changed(watcher))
        done, _ = await asyncio.wait((change,), timeout=0.5)
        assert not done
        writing.write("two")
    await change
    await stays_quiet(watcher)
    # One that is meant to be empty is told of in the end.
    file.write_text("")
    await has_changed(watcher)


async def test_a_file_that_stays_away_is_a_change_in_the_end(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    watcher = watch(file)
    file.unlink()
    await has_changed(watcher)


async def test_a_new_file_in_a_watched_folder_and_a_changed_one_are_seen(tmp_path):
    (tmp_path / "a.yaml").write_text("one")
    watcher = FileWatcher(ManifestSource((tmp_path,)).paths, interval=0.02)
    (tmp_path / "b.yaml").write_text("two")
    await has_changed(watcher)
    (tmp_path / "b.yaml").write_text("three")
    await has_changed(watcher)


async def test_a_rotated_secret_is_seen(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    secret = tmp_path / "secrets" / "partner"
    secret.mkdir(parents=True)
    (secret / "token").write_text("old")
    watcher = FileWatcher(MountedSource(tmp_path / "config.json", tmp_path / "secrets").paths, interval=0.02)
    (secret / "token").write_text("newer")
    await has_changed(watcher)


def test_only_what_was_there_can_be_lost(tmp_path):
    there, gone = tmp_path / "a", tmp_path / "b"
    assert has_lost({there: (1, 1, 1, 1)}, {})
    assert has_lost({there: (1, 1, 1, 1)}, {there: None})
    assert has_lost({there: (1, 1, 1, 1)}, {there: (1, 1, 0, 2)})
    assert not has_lost({there: (1, 1, 0, 1)}, {there: (1, 1, 0, 2)})
    assert not has_lost({gone: None}, {gone: None})
    assert not has_lost({there: (1, 1, 1, 1)}, {there: (2, 2, 2, 2)})
