"""`python -m e2e.cluster`: starts, uses and stops a cluster from a shell."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster import Cluster, ClusterError, Forward, Settings
from e2e.cluster.cluster import PROVIDERS, find_provider
from e2e.cluster.settings import API_PORT, TIMEOUT


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.act(options) or 0
    except ClusterError as error:
        print(f"e2e.cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m e2e.cluster", description=__doc__)
    parser.add_argument("--provider", choices=PROVIDERS, default=os.environ.get("CLUSTER") or "node")
    parser.add_argument("--folder", type=Path, default=Settings().folder, help="the cluster's files")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("up", help="start; returns when the node is Ready and names resolve")
    verb.set_defaults(act=_up)
    verb.add_argument("--image", type=Path, action="append", default=[], help="an image archive to load")
    verb.add_argument("--forward", type=_forward, action="append", default=[], metavar="PORT:NODEPORT")
    verb.add_argument("--port", type=int, default=API_PORT, help="of the API server on 127.0.0.1")
    verb.add_argument("--sync-frequency", default="1m", help="how often the kubelet looks at each pod")
    verb.add_argument("--timeout", type=float, default=TIMEOUT)
    verbs.add_parser("down", help="end and delete everything").set_defaults(act=_down)
    verbs.add_parser("status", help="exit 0 if it runs, 3 if not").set_defaults(act=_status)
    verbs.add_parser("env", help="print shell settings for kubectl and helm").set_defaults(act=_env)
    verb = verbs.add_parser("exec", help="run a command in the cluster's network")
    verb.set_defaults(act=_exec)
    verb.add_argument("command", nargs=argparse.REMAINDER)
    verb = verbs.add_parser("load", help="load image archives")
    verb.set_defaults(act=_load)
    verb.add_argument("archive", type=Path, nargs="+")
    verb = verbs.add_parser("dump", help="write resources, events and logs")
    verb.set_defaults(act=_dump)
    verb.add_argument("target", type=Path)
    for name, act in (("hold", _hold), ("release", _release)):
        verb = verbs.add_parser(name, help="a component, such as kube-apiserver")
        verb.set_defaults(act=act)
        verb.add_argument("component")
    return parser


def _forward(text: str) -> Forward:
    near, _, far = text.partition(":")
    return Forward(int(near), int(far))


def _attach(options: argparse.Namespace) -> Cluster:
    return Cluster.attach(Settings(folder=options.folder), options.provider)


def _up(options: argparse.Namespace) -> None:
    began = time.monotonic()
    settings = Settings(
        folder=options.folder,
        port=options.port,
        images=tuple(options.image),
        forwards=tuple(options.forward),
        sync_frequency=options.sync_frequency,
        timeout=options.timeout,
    )
    cluster = Cluster.up(settings, options.provider)
    print(f"# up in {time.monotonic() - began:.1f} s")
    _print_environment(cluster)


def _down(options: argparse.Namespace) -> None:
    began = time.monotonic()
    find_provider(options.provider, options.folder).stop()
    print(f"down in {time.monotonic() - began:.1f} s")


def _status(options: argparse.Namespace) -> int:
    provider = find_provider(options.provider, options.folder)
    if not provider.is_running():
        print("no cluster runs")
        return 3
    cluster = Cluster(provider)
    print(cluster.kubectl("get", "nodes", "--output=wide"))
    print(cluster.kubectl("get", "pods", "--all-namespaces", "--output=wide"), end="")
    return 0


def _env(options: argparse.Namespace) -> None:
    _print_environment(_attach(options))


def _print_environment(cluster: Cluster) -> None:
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
    print(f'export PATH={shlex.quote(str(cluster.provider.programs))}:"$PATH"')


def _exec(options: argparse.Namespace) -> None:
    cluster = _attach(options)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise ClusterError("exec needs a command")
    inside = cluster.provider.inside(command)
    os.execvpe(inside[0], inside, {**os.environ, **cluster.environment})


def _load(options: argparse.Namespace) -> None:
    _attach(options).load_image(*options.archive)


def _dump(options: argparse.Namespace) -> None:
    _attach(options).dump(options.target)


def _hold(options: argparse.Namespace) -> None:
    _attach(options).hold(options.component)


def _release(options: argparse.Namespace) -> None:
    _attach(options).release(options.component)


if __name__ == "__main__":
    sys.exit(main())
