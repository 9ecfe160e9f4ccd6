"""Who gives way while an answer waits for room: clients that make no progress, and nobody else."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.raw_client import WAIT_SECONDS
from vmcp_proxy.backends.budget import ReadBudget
from vmcp_proxy.serve.http.unread import (
    MOST_IN_MEMORY_BYTES,
    MOST_UNREAD_BYTES,
    PROGRESS_PARTS,
    PROGRESS_SECONDS,
    SHORT_BYTES,
    UnreadAnswers,
)

LONG = MOST_UNREAD_BYTES // 2 + 1
PART = LONG // PROGRESS_PARTS + 1


class Held:
    """A connection with so much that its client has not read."""

    def __init__(self, unsent=0):
        self.unsent = unsent
        self.admitted = self.unwritten = 0
        self.is_cut = False

    def abort(self):
        self.is_cut = True


class World:
    """Clients that hold all there is, in their order, and one that waits; `now` begins with them."""

    def __init__(self, count, *, reads=None):
        self.reads = reads or ReadBudget()
        self.unread = UnreadAnswers(self.reads)
        self.now = asyncio.get_running_loop().time()
        self.clients = [Held(LONG) for _ in range(count)]
        for each in self.clients:
            self.unread.note(each)

    async def wait(self, client=None, size=LONG):
        task = asyncio.create_task(self.unread.enter(client or Held(), size))
        await asyncio.sleep(0)
        assert not task.done()
        return task

    def pass_time(self, seconds):
        self.now += seconds
        self.unread.look(self.now, is_due=True)

    @property
    def cut(self):
        return [number for number, each in enumerate(self.clients) if each.is_cut]


async def test_nobody_is_cut_while_nobody_waits():
    world = World(3)
    world.pass_time(100 * PROGRESS_SECONDS)
    assert not world.cut


async def test_one_that_reads_its_part_each_time_is_never_cut_however_long_others_wait():
    world = World(3)
    task = await world.wait(size=SHORT_BYTES + 1)
    while not task.done():
        for each in world.clients:
            each.unsent -= PART // 2 + 1
        world.pass_time(PROGRESS_SECONDS / 2)
        assert not world.cut
        await asyncio.sleep(0)
    assert sum(each.unsent for each in world.clients) > LONG


async def test_one_that_reads_less_than_its_part_is_cut_and_one_that_reads_enough_is_not():
    world = World(3)
    task = await world.wait(size=SHORT_BYTES + 1)
    for _ in range(4):
        world.clients[0].unsent -= PART // 2
        world.clients[1].unsent -= 1
        world.pass_time(PROGRESS_SECONDS * 0.4)
    assert world.cut == [1]
    await task


async def test_those_that_stall_give_way_oldest_first_and_no_more_than_have_to():
    world = World(4)
    tasks = [await world.wait(size=SHORT_BYTES + 1)]
    world.pass_time(PROGRESS_SECONDS + 1)
    # Of four, each with half of what all may hold, so that one more has room where two are left, or less than two.
    assert world.cut == [0, 1, 2]
    await asyncio.gather(*tasks)


async def test_one_that_waits_itself_and_has_nothing_to_read_loses_no_time_by_it():
    world = World(2)
    waiting = Held()
    task = await world.wait(waiting)
    for _ in range(20):
        for each in world.clients:
            each.unsent += PART - 1  # what is written to them meanwhile
            world.unread.note(each)
            each.unsent -= PART
        world.pass_time(PROGRESS_SECONDS * 0.9)
    assert not waiting.is_cut
    task.cancel()


async def test_a_wait_that_is_cancelled_leaves_nothing_behind_before_and_after_there_is_room():
    world = World(2)
    first, second = Held(), Held()
    tasks = [await world.wait(each, SHORT_BYTES + 1) for each in (first, second)]
    tasks[1].cancel()
    await asyncio.sleep(0)
    for each in world.clients:
        each.unsent = 0
        world.unread.note(each)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert [first.admitted, first.unwritten, second.admitted, second.unwritten] == [0, 0, 0, 0]
    assert not len(world.unread)
    assert not world.unread.waiting


async def test_one_answer_larger_than_all_may_hold_goes_and_those_behind_it_wait():
    world = World(0)
    client = Held()
    await world.unread.enter(client, 3 * MOST_UNREAD_BYTES)
    await world.wait()


async def test_backends_are_not_read_while_clients_hold_all_and_a_stalled_one_gives_way_to_those():
    world = World(2)
    lease = world.reads.lease(lambda: None)
    task = asyncio.create_task(lease.hold(LONG))
    await asyncio.sleep(0)
    assert not task.done()
    world.pass_time(PROGRESS_SECONDS / 2)
    assert not world.cut
    world.pass_time(PROGRESS_SECONDS)
    assert world.cut == [0]
    await task


async def test_what_waits_for_room_holds_backends_back_as_well():
    world = World(2)
    await world.wait(size=SHORT_BYTES + 1)
    world.clients[0].unsent -= 3
    world.unread.note(world.clients[0])
    assert not world.unread.waiting
    assert not world.reads.lease(lambda: None).try_hold(SHORT_BYTES + 1)


async def test_as_many_as_have_to_give_way_to_one_with_much_that_waits_longest_first_and_no_more():
    world = World(2)
    size = SHORT_BYTES + 1
    count = MOST_UNREAD_BYTES // size - 1
    waiting = [Held() for _ in range(count)]
    tasks = [await world.wait(each, size) for each in waiting]
    tasks.append(await world.wait(size=count // 2 * size))
    cut = [each.is_cut for each in waiting]
    least = (2 * LONG + (count + count // 2) * size - MOST_IN_MEMORY_BYTES) // size
    assert cut == [True] * sum(cut) + [False] * (count - sum(cut))
    assert sum(cut) == least + 1
    assert world.unread.waiting == count + 1 - sum(cut)
    assert not world.reads.lease(lambda: None).try_hold(size)
    for each in tasks:
        each.cancel()


class Told(ReadBudget):
    """Keeps what was left last."""

    left = MOST_UNREAD_BYTES

    def limit(self, size):
        self.left = size
        super().limit(size)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["write", "read", "enter", "go"])), max_size=60))
async def test_what_is_left_to_backends_is_what_no_client_holds_whatever_happened(steps):
    reads = Told()
    unread = UnreadAnswers(reads)
    clients = [Held() for _ in range(4)]
    for number, step in steps:
        client = clients[number]
        if step == "write":
            client.unsent += 7 * SHORT_BYTES
        elif step == "read":
            client.unsent //= 2
        elif step == "enter":
            if unread.try_enter(client, LONG // 3):
                client.unsent += LONG // 3
                client.admitted -= LONG // 3
            else:
                # Nobody waits here: there is little room, or too much is taken for held until all are asked.
                assert sum(each.unsent for each in clients) + LONG // 3 > MOST_UNREAD_BYTES // 2
        elif step == "go":
            unread.leave(client)
            client.unsent = 0
        unread.note(client)
        held = [each.unsent for each in clients if each.unsent > SHORT_BYTES]
        assert reads.left == MOST_UNREAD_BYTES - sum(held)
        assert len(unread) == len(held)


async def test_an_answer_does_not_wait_where_others_have_read_what_they_held():
    world = World(1)
    assert not world.unread.try_enter(Held(), SHORT_BYTES + 1)
    world.clients[0].unsent = 0
    await asyncio.wait_for(world.unread.enter(Held(), SHORT_BYTES + 1), WAIT_SECONDS)
    world.pass_time(1.0)
    assert world.unread.try_enter(Held(), SHORT_BYTES + 1)


async def test_what_a_client_has_read_when_its_next_answer_is_let_in_counts_as_progress():
    world = World(0)
    world.clients = [reader, other] = [Held(LONG // 2), Held()]
    world.unread.note(reader)
    reader.unsent -= LONG // 16
    assert world.unread.try_enter(reader, LONG // 4)
    reader.unsent += LONG // 4
    reader.admitted -= LONG // 4
    world.unread.note(reader)
    other.unsent = MOST_UNREAD_BYTES
    world.unread.note(other)
    task = await world.wait()
    reader.unsent -= LONG // 32
    world.pass_time(PROGRESS_SECONDS + 1)
    assert world.cut == [1]
    task.cancel()
