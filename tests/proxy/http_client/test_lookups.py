"""Names that hang delay nobody but those who ask for them."""

import asyncio
import socket
import threading

import pytest

from tests.proxy.http_client.servers import OK, answering, fetch, raw_server, until
from vmcp_proxy.http_client import HttpClient, Lookups


class Names:
    """Blocks lookups of names that hang until `answer`, as a resolver does whose server is away."""

    def __init__(self):
        self.begun = []
        self.threads = set()
        self._answers = threading.Event()

    def answer(self):
        self._answers.set()

    def hang_again(self):
        self._answers.clear()

    def __call__(self, host):
        self.begun.append(host)
        self.threads.add(threading.current_thread())
        if host.startswith("hangs"):
            self._answers.wait()
        if host.startswith("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ["127.0.0.1"]


@pytest.fixture
def names():
    made = Names()
    yield made
    made.answer()


@pytest.fixture
async def lookups(names):
    made = Lookups(names, most=4, most_slow=2, slow_seconds=3600.0)
    yield made
    made.close()


def ask(lookups, *hosts):
    return [asyncio.create_task(lookups(host, 80)) for host in hosts]


async def cancel(*tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_backends_of_other_names_are_reached_while_names_hang(names):
    client = HttpClient(resolver=Lookups(names))
    async with raw_server(answering(OK)) as server:
        hanging = [asyncio.create_task(fetch(client, server.peer(host=f"hangs{each}"))) for each in range(30)]
        await until(lambda: len(names.begun) == 30)
        assert await fetch(client, server.peer(host="good")) == (200, b"ok")
        assert not any(each.done() for each in hanging)
        await cancel(*hanging)
    await client.aclose()


async def test_all_who_ask_for_a_name_share_one_lookup_and_none_is_remembered(lookups, names):
    first = ask(lookups, "hangs", "hangs", "hangs")
    await until(lambda: names.begun)
    await cancel(first[0])
    again = ask(lookups, "hangs")
    await asyncio.sleep(0)
    assert lookups.threads == 1
    names.answer()
    assert await asyncio.gather(*first[1:], *again) == [["127.0.0.1"]] * 3
    assert names.begun == ["hangs"]
    assert await lookups("hangs", 80) == ["127.0.0.1"]
    assert names.begun == ["hangs", "hangs"]


async def test_a_lookup_that_everybody_gave_up_is_joined_by_the_next_who_asks(lookups, names):
    given_up = ask(lookups, "hangs")
    await until(lambda: names.begun)
    await cancel(*given_up)
    (asked,) = ask(lookups, "hangs")
    await asyncio.sleep(0)
    names.answer()
    assert await asked == ["127.0.0.1"]
    assert names.begun == ["hangs"]


async def test_threads_are_bounded_and_who_gives_up_before_a_turn_takes_none(lookups, names):
    hanging = ask(lookups, *(f"hangs{each}" for each in range(4)))
    await until(lambda: len(names.begun) == 4)
    waits, given_up = ask(lookups, "late", "given-up")
    await asyncio.sleep(0)
    await cancel(given_up)
    assert lookups.threads == 4
    names.answer()
    assert await waits == ["127.0.0.1"]
    await asyncio.gather(*hanging)
    assert "given-up" not in names.begun
    assert len(names.threads) == 4


async def test_names_that_were_slow_leave_most_threads_to_the_others(names):
    lookups = Lookups(names, most=4, most_slow=2, slow_seconds=0.0)
    slow = [f"slow{each}" for each in range(6)]
    await asyncio.gather(*ask(lookups, *slow))
    del names.begun[:]
    hanging = ask(lookups, *(f"hangs{each}" for each in range(2)))
    await until(lambda: len(names.begun) == 2)
    names.answer()
    await asyncio.gather(*hanging)

    names.hang_again()
    del names.begun[:]
    hanging = ask(lookups, "hangs0", "hangs1")
    await until(lambda: len(names.begun) == 2)
    waiting = ask(lookups, "slow1", "slow0")
    await asyncio.gather(*ask(lookups, "new0", "new1", "new2"))
    assert sorted(names.begun) == ["hangs0", "hangs1", "new0", "new1", "new2"]
    names.answer()
    await asyncio.gather(*hanging, *waiting)
    lookups.close()


async def test_of_names_that_were_slow_that_goes_first_which_was_asked_for_longest_ago(names):
    lookups = Lookups(names, most=4, most_slow=1, slow_seconds=0.0)
    for host in ("slow0", "slow1", "slow2", "hangs"):
        names.answer()
        await lookups(host, 80)
    names.hang_again()
    del names.begun[:]
    tasks = ask(lookups, "hangs")
    await until(lambda: names.begun)
    tasks += ask(lookups, "slow2", "slow1", "slow0")
    await asyncio.sleep(0)
    names.answer()
    await asyncio.gather(*tasks)
    assert names.begun == ["hangs", "slow0", "slow1", "slow2"]
    lookups.close()


async def test_threads_are_kept_for_the_next_names_and_few_of_them(lookups, names):
    for _ in range(5):
        await asyncio.gather(*ask(lookups, "a", "b", "c", "d"))
        await until(lambda: lookups.threads == 2)
    assert len(names.threads) < 20
    lookups.close()
    await until(lambda: not any(each.is_alive() for each in names.threads))


async def test_each_who_asks_hears_that_a_name_is_unknown(lookups):
    outcomes = await asyncio.gather(*ask(lookups, "unknown", "unknown"), return_exceptions=True)
    assert [type(each) for each in outcomes] == [socket.gaierror] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%1", "127.1", "0x7f.1", "2130706433"])
async def test_addresses_are_looked_up_nowhere(lookups, names, host):
    assert await lookups(host, 80)
    assert not names.begun
    assert lookups.threads == 0


async def test_what_waits_fails_when_the_client_closes(lookups, names):
    (asked,) = ask(lookups, "hangs")
    await until(lambda: names.begun)
    lookups.close()
    with pytest.raises(OSError, match="any more"):
        await asked
    with pytest.raises(OSError, match="any more"):
        await lookups("good", 80)
