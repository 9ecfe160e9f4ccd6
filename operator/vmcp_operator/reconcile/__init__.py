"""One reconciliation: observe, plan, apply, report; and who depends on what was read."""
