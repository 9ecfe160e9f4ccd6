"""The page on the audit says what lines have: its table, its examples and its settings against the code."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import yaml

from vmcp_api.spec import audit
from vmcp_api.spec.audit import Audit
from vmcp_proxy.observability.audit import (
    EVENT_TYPES,
    LOST,
    OTHER,
    REJECTED,
    AuditEvent,
    Outcome,
    Reason,
    WorkflowType,
    encode_loss,
)
from vmcp_proxy.observability.audit.line import Data

pytestmark = pytest.mark.scenario("O-1")
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "audit.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def table_under(heading):
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)


def test_the_table_has_every_field_of_a_line_in_its_order():
    assert table_under("A line") == list(AuditEvent.__struct_fields__)


def test_the_example_is_a_line_that_could_have_been_written():
    line, lost, data = map(str.strip, blocks("json"))
    assert msgspec.json.encode(msgspec.json.decode(line, type=AuditEvent)).decode() == line
    assert list(json.loads(lost)) == list(json.loads(encode_loss("d/v", 1, datetime.now(UTC))))
    assert set(json.loads(data)["data"]) <= set(Data.__struct_fields__)


def test_every_outcome_reason_and_type_is_named():
    assert set(table_under("Outcomes")) == set(Outcome)
    assert all(f"`{reason}`" in PAGE for reason in Reason)
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {*EVENT_TYPES.values(), *WorkflowType, "mcp_notification", OTHER, REJECTED, LOST} <= named


def test_filters_can_name_what_is_written_and_nothing_else():
    assert {*EVENT_TYPES.values(), *WorkflowType, "mcp_notification", OTHER, REJECTED} == audit.EVENT_TYPES


def test_the_settings_that_it_shows_are_valid():
    documents = map(yaml.safe_load, blocks("yaml"))
    settings = (found.get("spec", {}).get("config", found) for found in documents)
    shown = [each["audit"] for each in settings if "audit" in each]
    sinks = [Audit.model_validate(each, by_alias=True, by_name=False).sink for each in shown]
    assert sinks == ["file", "syslog", "otlp", "file"]
