"""JSON answers of a backend, however its server cuts them into pieces: the same catalog, the same calls."""

import dataclasses

import pytest

from tests.proxy.endpoint.helpers import QUIET, use_everything
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text

CHUNKED = b"transfer-encoding: chunked"


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def singles(data):
    return [data[place : place + 1] for place in range(len(data))]


def one_byte_chunks(head, body):
    return [b"\r\n".join([*head, CHUNKED, b"", b""]), *map(chunk, singles(body)), b"0\r\n\r\n"]


def one_byte_writes(head, body):
    whole = b"\r\n".join([*head, CHUNKED, b"", b""]) + chunk(body[:7]) + chunk(body[7:]) + b"0\r\n\r\n"
    return singles(whole)


def chunks_with_extensions_and_a_trailer(head, body):
    pieces = [b"%x;name=value\r\n%b\r\n" % (len(part), part) for part in singles(body)]
    return [b"\r\n".join([*head, CHUNKED, b"trailer: x-sum", b"", b""]), *pieces, b"0\r\nx-sum: 1\r\n\r\n"]


def a_known_length_byte_by_byte(head, body):
    return [b"\r\n".join([*head, b"content-length: %d" % len(body), b"", b""]), *singles(body)]


CUTS = (one_byte_chunks, one_byte_writes, chunks_with_extensions_and_a_trailer, a_known_length_byte_by_byte)


class CuttingBackend(ScriptedBackend):
    """Every JSON answer goes out as `cut` divides it."""

    cut = staticmethod(one_byte_chunks)

    async def _request(self, call):
        write = call.write

        async def write_cut(data):
            head, _, body = data.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
            for piece in self.cut(lines, body):
                await write(piece)

        await super()._request(dataclasses.replace(call, write=write_cut))


@pytest.mark.scenario("B-1")
@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.__name__)
async def test_json_in_any_pieces_gives_the_same_catalog_and_the_same_calls(cut):
    backend = CuttingBackend(
        resources=[{"uri": "test://a", "name": "ä"}],
        templates=[{"uriTemplate": "test://t/{id}", "name": "t"}],
        prompts=[{"name": "ask"}],
    )
    backend.cut = cut
    said = "line\nline ☃ 🧊 \u0000"

    @backend.on("tools/call")
    async def say(call):
        return text(said)

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        assert (await client.result("resources/list"))["resources"] == backend.resources
        await use_everything(client)
        for _ in range(3):
            assert (await client.call("one_echo"))["content"][0]["text"] == said
        # Whole answers leave their connection fit for the next one: none was opened per call.
        opened = (await world.metrics())["vmcp_connections_opened_total"]
        assert opened <= 6
