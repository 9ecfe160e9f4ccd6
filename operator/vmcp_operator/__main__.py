"""`python -m vmcp_operator`: runs the operator until it is told to stop."""

import asyncio
import os
import signal
import sys

from vmcp_api.distribution import explain_missing

# The first process of a container gets no signal that it has not asked for, and the rest takes a second to import.
signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))

try:
    from vmcp_operator.app import run
    from vmcp_operator.errors import SettingsError
    from vmcp_operator.logs import configure_logging
    from vmcp_operator.settings import SERVICE_ACCOUNT_TOKEN, parse_settings, read_namespace
except ModuleNotFoundError as error:
    sys.stderr.write(f"vmcp-operator: {explain_missing(error, 'operator')}\n")
    sys.exit(2)


def main() -> int:
    """Exit code 2 for settings that cannot be used, 0 after a clean stop; a crash keeps its own."""
    try:
        in_cluster = SERVICE_ACCOUNT_TOKEN.is_file()
        settings = parse_settings(sys.argv[1:], os.environ, in_cluster=in_cluster, namespace=read_namespace())
    except SettingsError as error:
        sys.stderr.write(f"vmcp-operator: {error}\n")
        return 2
    configure_logging(settings.log_level, settings.log_format, sys.stderr)
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
