"""The page of metrics: every family of both halves, from the code that counts."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from vmcp_operator.app import build_metrics
from vmcp_operator.telemetry import Telemetry
from vmcp_proxy.observability.metrics import families
from vmcp_proxy.observability.metrics.family import Family, Kind

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference" / "metrics.md"

_HEAD: Final = """\
<!-- Generated from the code by `python -m charts.metrics_page`; do not edit. -->
# Metrics

Proxies tell theirs at `/metrics` of the admin port, the operator at `/metrics` of port 8080, in the text of Prometheus
or of OpenMetrics. Proxies send the same numbers by OTLP where a [MCPTelemetryConfig](mcptelemetryconfig.md) enables it.

Every label has a bounded set of values: methods outside of MCP are `other`, tools have a series each up to 500 and are
`other` beyond, and no URL, URI or user is a label. An empty value is the same as no label.
"""
_PROXY: Final = """\
## Proxies

Names by OTLP have dots and no suffix; the rules from one to the other are OpenTelemetry's. Durations are in seconds;
their buckets carry the trace and span of an example where one was traced and the scrape asks for OpenMetrics. What the
process itself uses (`process_*`) is told to scrapes alone.

| Name | By OTLP | Kind | Unit | Labels | Meaning |
| --- | --- | --- | --- | --- | --- |
"""
_OPERATOR: Final = """\
## The operator

Names are controller-runtime's where it has one. `controller` is a kind in lower case.

| Name | Kind | Labels | Meaning |
| --- | --- | --- | --- |
"""


def build_page() -> str:
    """The whole page, as Markdown."""
    proxy = "".join(map(_row, families.ALL))
    operator = "".join(_operator_rows(operator_families()))
    return "\n".join([_HEAD, _PROXY + proxy, _OPERATOR + operator])


def operator_families() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name to ask by, kind, labels and meaning of what the operator counts."""
    telemetry = Telemetry()
    build_metrics(telemetry, workers=1)
    telemetry.on_request("", "", None)
    telemetry.leads.labels("")
    for each in telemetry.registry.collect():
        labels = {name: None for sample in each.samples for name in sample.labels if name != "le"}
        name = f"{each.name}_total" if each.type == "counter" else each.name
        yield name, each.type, tuple(labels), each.documentation


def _row(family: Family) -> str:
    kind = "histogram" if family.kind is Kind.HISTOGRAM else family.kind.value
    return _line(
        f"`{family.sampled}`", f"`{family.name}`", kind, f"`{family.unit}`", _labels(family.labels), family.help
    )


def _operator_rows(described: Iterable[tuple[str, str, tuple[str, ...], str]]) -> Iterator[str]:
    for name, kind, labels, text in described:
        yield _line(f"`{name}`", kind, _labels(labels), text)


def _labels(labels: Iterable[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(build_page(), encoding="utf-8")
