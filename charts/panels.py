"""Dashboards for Grafana as tables, and the JSON that is made of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_SCHEMA: Final = 39
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _IN_A_ROW = 8, 8, 3


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: queries with the legend of their series, and what to make of it.

    In queries `FILTER` stands for the labels that the variables choose, `RATE` for Grafana's interval of rates.
    """

    title: str
    text: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One file; `seed` is a metric that whatever can be chosen has, `variables` are labels to choose by.

    Series that came by OTLP need not have these labels: all are then chosen by what also fits none.
    """

    name: str
    title: str
    text: str
    seed: str
    variables: tuple[str, ...]
    panels: tuple[Panel, ...]
    may_come_by_otlp: bool = False


def rate(metric: str, by: str, labels: str = "") -> str:
    """How fast a counter grows, by some of its labels."""
    wanted = f"FILTER, {labels}" if labels else "FILTER"
    return f"sum by ({by}) (rate({metric}{{{wanted}}}[RATE]))"


def quantile(share: float, metric: str, by: str = "", labels: str = "") -> str:
    """A quantile of a histogram, by some of its labels."""
    grouped = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', grouped, labels)})"


def quantiles(metric: str, labels: str = "") -> tuple[tuple[str, str], ...]:
    """Those that tell most, each with its legend."""
    return tuple((quantile(share, metric, labels=labels), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99))


def mean_of_calls(metric: str) -> str:
    """The mean duration of tool calls."""
    wanted = 'FILTER, mcp_method_name="tools/call"'
    return f"sum(rate({metric}_sum{{{wanted}}}[RATE])) / sum(rate({metric}_count{{{wanted}}}[RATE]))"


def filters(dashboard: Dashboard) -> str:
    """The labels that the variables choose."""
    return ", ".join(f'{name}=~"${name}"' for name in dashboard.variables)


def build(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": f"vmcp-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.text,
        "tags": ["vmcp", "mcp"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": list(_variables(dashboard))},
        "panels": [_panel(panel, number, filters(dashboard)) for number, panel in enumerate(dashboard.panels)],
    }


def render(dashboard: Dashboard) -> str:
    """The text of its file."""
    return json.dumps(build(dashboard), indent=2) + "\n"


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    former = ""
    for name in dashboard.variables:
        query = f"label_values({dashboard.seed}{{{former}}}, {name})"
        yield {
            "name": name,
            "type": "query",
            "datasource": _SOURCE,
            "definition": query,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*" if dashboard.may_come_by_otlp else None,
            "current": {"text": "All", "value": "$__all"},
        }
        former = f'{name}=~"${name}"'


def _panel(panel: Panel, number: int, wanted: str) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.most is not None:
        defaults["max"] = panel.most
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.text,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": {
            "x": number % _IN_A_ROW * _WIDTH,
            "y": number // _IN_A_ROW * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + position),
                "datasource": _SOURCE,
                "expr": query.replace("FILTER", wanted).replace("RATE", "$__rate_interval"),
                "legendFormat": legend,
            }
            for position, (query, legend) in enumerate(panel.queries)
        ],
    }
