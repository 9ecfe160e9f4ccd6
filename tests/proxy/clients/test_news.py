"""What waits for a listen stream: each thing once, and never without end."""

import asyncio

import msgspec

from vmcp_proxy.clients.listen.news import MOST_PENDING, News, Notice


def notice(number: int) -> Notice:
    return Notice("notifications/resources/updated", msgspec.Raw(b'{"uri":"test://%d"}' % number))


async def test_what_happens_again_keeps_its_place_and_its_latest_form():
    news = News()
    for number, about in ((1, "a"), (2, "b"), (3, "a")):
        news.put(notice(number), about)
    news.put(Notice("notifications/tools/list_changed"))
    news.finish()
    heard = [each async for each in _all(news)]
    assert heard == [notice(3), notice(2), Notice("notifications/tools/list_changed")]


async def test_a_reader_waits_for_the_next_thing_and_for_the_end():
    news = News()
    reading = asyncio.create_task(news.next())
    await asyncio.sleep(0)
    news.put(notice(1), "a")
    assert await reading == notice(1)
    reading = asyncio.create_task(news.next())
    await asyncio.sleep(0)
    news.finish()
    assert await reading is None
    news.put(notice(2), "b")
    assert await news.next() is None


async def test_too_much_ends_the_stream_and_is_let_go_of():
    news = News()
    for number in range(MOST_PENDING + 1):
        news.put(notice(number), str(number))
    assert not len(news)
    assert await news.next() is None


async def _all(news: News):
    while (each := await news.next()) is not None:
        yield each
