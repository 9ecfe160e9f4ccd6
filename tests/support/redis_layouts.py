"""Layouts of a Redis service by real local processes: Cluster, Sentinel, TLS, and what an ACL user may do."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme

from benchmarks.ports import free_port
from tests.support.raw_client import eventually
from tests.support.redis_server import RedisServer, running


@contextmanager
def cluster_of_three(folder: Path) -> Iterator[list[RedisServer]]:
    """Three masters that share the slots; see `until_whole`."""
    with ExitStack() as stack:
        nodes, bus = [], free_port()
        for number in range(3):
            own = folder / str(number)
            own.mkdir()
            # The default bus port lies 10 000 above the other, which may be no port at all.
            ports = ("--cluster-port", str(free_port() if number else bus))
            # Nodes wait for as long as this before they serve; `until_whole` makes it long again.
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "500")
            nodes.append(stack.enter_context(running(RedisServer(own, *options, *ports))))
        shares = [(0, 5460), (5461, 10922), (10923, 16383)]
        for node, (first, last) in zip(nodes, shares, strict=True):
            node.command("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
        for node in nodes[1:]:
            node.command("CLUSTER", "MEET", node.host, str(nodes[0].port), str(bus))
        yield nodes


async def until_whole(nodes: Sequence[RedisServer]) -> None:
    """Waits until the nodes of a cluster know each other."""

    def is_whole() -> bool:
        infos = [node.command("CLUSTER", "INFO") for node in nodes]
        return all(b"cluster_state:ok" in info and b"cluster_known_nodes:3" in info for info in infos)

    await eventually(is_whole, 30.0)
    for node in nodes:
        node.command("CONFIG", "SET", "cluster-node-timeout", "15000")


@contextmanager
def guarded_sentinel(folder: Path) -> Iterator[RedisServer]:
    """The Sentinel of a master called `desk`, each asking for a password of its own, the Sentinel for a user too."""
    for name in ("master", "sentinel"):
        (folder / name).mkdir()
    with running(RedisServer(folder / "master", "--requirepass", "of-the-data")) as master:
        lines = (
            f"sentinel monitor desk {master.host} {master.port} 1",
            "sentinel auth-pass desk of-the-data",
            "user default off",
            "user watcher on >of-the-sentinel resetchannels -@all +sentinel|masters",
        )
        with running(RedisServer(folder / "sentinel", *lines, sentinel=True)) as sentinel:
            yield sentinel


@contextmanager
def tls_redis(
    folder: Path, authority: trustme.CA, *more: str, certificate: trustme.LeafCert | None = None
) -> Iterator[RedisServer]:
    """A Redis that speaks TLS only, by default with a certificate for `localhost`; `more` are options of the server."""
    certificate = certificate or authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    port = free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem")
    server = RedisServer(
        folder, *options, "--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no", "--port", "0", *more, port=port
    )
    with running(server):
        yield server


def rights(*more: str) -> tuple[str, ...]:
    """The command that makes the user `vmcp`, who may do what the docs of `sessionStorage.username` say."""
    scope = ("on", ">secret", "resetkeys", "~vmcp:session:*", "resetchannels", "&vmcp:session:*", "-@all")
    hashes = ("+hset", "+hdel", "+hmget", "+hgetall", "+del", "+pexpire")
    scripts = ("+eval", "+evalsha", "+time")
    return ("ACL", "SETUSER", "vmcp", *scope, *hashes, *scripts, "+publish", "+subscribe", "+ping", *more)
