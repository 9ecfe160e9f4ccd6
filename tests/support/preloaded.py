"""What the forks of `tests.support.forked` find imported: loaded in the process that they are forked from alone."""

import gc
import importlib

from vmcp_proxy.cli.main import SUBCOMMANDS

for _subcommand in SUBCOMMANDS.values():
    importlib.import_module(_subcommand.module)
importlib.import_module("tests.proxy.cli.commands")
# Nothing of it goes away: a fork that looked for garbage among it would have to copy all of it.
gc.collect()
gc.freeze()
