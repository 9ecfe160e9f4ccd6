"""New connections are taken as they come, whoever opens how many."""

import asyncio
import contextlib
import socket

import pytest
import uvloop
from fastapi import FastAPI

from vmcp_proxy.serve.http.listener import Listener

MANY = 64


@pytest.mark.scenario("B-3")
def test_who_connects_does_not_queue_a_turn_of_the_loop_behind_each_one_of_many():
    assert uvloop.run(turns_until_all_are_in()) < MANY / 4


async def turns_until_all_are_in() -> int:
    """How often the loop goes round, each time with a little work, until those who have connected are connected."""
    server = Listener(FastAPI()).open()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run_until_closed())
        await server.listening.wait()
        with contextlib.ExitStack() as stack:
            for _ in range(MANY):
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            turns = 0
            while len(server.server_state.connections) < MANY:
                await asyncio.sleep(0)
                turns += 1
        server.close_within(1)
    return turns
