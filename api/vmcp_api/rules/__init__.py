"""Rules between fields: each in Python for local mode and in CEL for admission, with one message."""

from vmcp_api.rules.check import check_rules
from vmcp_api.rules.rule import Rule
from vmcp_api.rules.table import RULES

__all__ = ["RULES", "Rule", "check_rules"]
