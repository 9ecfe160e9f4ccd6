"""A subscription that comes back whenever it is lost."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from vmcp_proxy.redis_client.cancellation import keeping_cancellation
from vmcp_proxy.redis_client.connect import SOCKET_SECONDS, RedisClient, telling_lost_connections

_QUIET_SECONDS: Final = 10.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0


async def watch_channels(
    client: RedisClient,
    channels: tuple[str, ...],
    on_message: Callable[[str, bytes], None],
    on_subscribed: Callable[[], None],
    on_lost: Callable[[Exception], None],
    errors: tuple[type[Exception], ...],
) -> None:
    """Deliver the messages of channels until cancelled, subscribing again whenever the connection is lost.

    `on_subscribed` is called at each (re)subscription to a channel, also when redis-py reconnected by itself:
    messages in between are lost. A connection that has been quiet for 10 s must answer a ping.
    """
    pause = _FIRST_PAUSE

    def subscribed() -> None:
        nonlocal pause
        pause = _FIRST_PAUSE
        on_subscribed()

    while True:
        try:
            with telling_lost_connections():
                await _listen(client, channels, on_message, subscribed)
        except errors as error:
            on_lost(error)
        # Pods that lost the same Redis must not all come back in the same instant.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, protects nothing
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _listen(
    client: RedisClient,
    channels: tuple[str, ...],
    on_message: Callable[[str, bytes], None],
    on_subscribed: Callable[[], None],
) -> None:
    with keeping_cancellation():
        # A cluster client does not know its nodes before this, and its pubsub does not ask.
        await client.initialize()
    pubsub: Any = client.pubsub()
    try:
        with keeping_cancellation():
            await pubsub.subscribe(*channels)
        while True:
            # Waiting for a message writes too: it subscribes again after a connection was lost.
            with keeping_cancellation():
                message = await pubsub.get_message(timeout=_QUIET_SECONDS)
            if message is None:
                with keeping_cancellation():
                    await pubsub.ping()
                with keeping_cancellation():
                    message = await pubsub.get_message(timeout=SOCKET_SECONDS)
            if message is None:
                raise TimeoutError
            if message["type"] == "subscribe":
                on_subscribed()
            elif message["type"] == "message":
                on_message(message["channel"].decode(), message["data"])
    finally:
        await pubsub.aclose()
