"""Runs one proxy in the foreground, from the first reading of its files to the end of the process."""

import asyncio
import logging
import sys
from dataclasses import dataclass
from typing import Final

import click
import uvloop

from vmcp_api.manifests.problems import Problems
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.serve.loop import Loop
from vmcp_proxy.cli.serve.report import Reporter
from vmcp_proxy.observability.logs import configure_logging, log_event
from vmcp_proxy.run.proxy import Proxy
from vmcp_proxy.run.reload import ConfigSource, FileWatcher, Reloader, describe_os_error
from vmcp_proxy.run.settings import LOGGER, Settings
from vmcp_proxy.serve.http.listener import PortInUseError


@dataclass(frozen=True, slots=True)
class Plan:
    """What one `vmcp serve` does; `level` as in `configure_logging`."""

    source: ConfigSource
    settings: Settings
    level: str
    json: bool


def serve(plan: Plan) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        CommandError: the files are invalid, or the address cannot be used.
    """
    # The watcher comes first: an edit during the first reading is seen after it.
    watcher = FileWatcher(plan.source.paths)
    outcome = plan.source.load()
    if isinstance(outcome, Problems):
        raise invalid(outcome)
    configure_logging(plan.level, sys.stderr, json=plan.json)
    proxy = Proxy(plan.settings, outcome.loaded)
    try:
        uvloop.run(_run(proxy, plan, watcher, outcome.warnings), loop_factory=Loop)
    except BaseExceptionGroup as group:
        known = None if proxy.started.is_set() else explain(group, plan.settings)
        raise known or group from None


async def _run(proxy: Proxy, plan: Plan, watcher: FileWatcher, warnings: Problems) -> None:
    logger: Final = logging.getLogger(LOGGER)
    reloader, reporter = Reloader(plan.source, watcher, logger), Reporter(logger)
    reloader.warn(warnings)

    async def watch(proxy: Proxy) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reloader.run(proxy), name="reload")
            tasks.create_task(reporter.run(proxy), name="report")

    await proxy.run(watch)
    log_event(logger, logging.INFO, "endpoint has stopped")


def invalid(problems: Problems, outcome: str = "nothing is served") -> CommandError:
    """Prints every problem to stderr; the error that ends the command, with what comes of it."""
    for problem in problems:
        click.echo(str(problem), err=True)
    number = len(problems.errors)
    return CommandError(Exit.INVALID, f"{number} {'error' if number == 1 else 'errors'}, {outcome}")


def explain(group: BaseExceptionGroup[BaseException], settings: Settings) -> CommandError | None:
    """What a person can do about a run that did not come up; None where that is not known."""
    found = next((error for error in flatten(group) if isinstance(error, PortInUseError | OSError)), None)
    match found:
        case PortInUseError():
            option = "--admin-port" if found.port == settings.admin_port != settings.port else "--port"
            remedy = f"stop what listens there, or choose another with {option} (0 takes a free one)"
            return CommandError(Exit.ADDRESS, f"port {found.port} on {found.host} is in use", remedy)
        case OSError(filename=str()):
            return CommandError(Exit.INVALID, str(describe_os_error(found)))
        case OSError():
            ports = f"{settings.host}:{settings.port}"
            return CommandError(Exit.ADDRESS, f"cannot listen on {ports}: {found.strerror}", "choose another address")
        case _:
            return None


def flatten(error: BaseException) -> tuple[BaseException, ...]:
    """The exceptions of a group, however deep."""
    if isinstance(error, BaseExceptionGroup):
        return tuple(leaf for part in error.exceptions for leaf in flatten(part))
    return (error,)
