"""Charts as SVG text: horizontal bars, and lines over a logarithmic axis; readable on light and on dark ground."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from xml.sax.saxutils import escape

INK = "#7d8590"
GRID = "#7d859040"
OURS = "#2f81f7"
OTHERS = "#9aa4af"
PALETTE = (OURS, "#e3872d", "#57ab5a", "#b083f0")
_FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
_WIDTH = 760
_ROW = 30
_TOP = 58
_LABELS = 250
_RIGHT = 84

Scale: TypeAlias = Callable[[float], float]
"""From a value to its part of the axis, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `is_ours` sets it off from the others."""

    label: str
    value: float
    text: str
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name and its points, x ascending and positive."""

    label: str
    points: tuple[tuple[float, float], ...]


def bars(title: str, subtitle: str, entries: Sequence[Bar]) -> str:
    """A bar for each entry, in their order; the axis is logarithmic where the longest is over 50 times the shortest."""
    values = [entry.value for entry in entries]
    is_log = max(values) > 50 * min(values) > 0
    scale = _log_scale(values) if is_log else _linear_scale(values)
    height = _TOP + _ROW * len(entries) + 14
    parts = []
    for number, entry in enumerate(entries):
        top = _TOP + _ROW * number
        width = max(scale(entry.value) * (_WIDTH - _LABELS - _RIGHT), 2.0)
        fill, weight = (OURS, "600") if entry.is_ours else (OTHERS, "400")
        middle = top + _ROW / 2 + 1
        parts.append(_text(_LABELS - 10, middle, entry.label, anchor="end", weight=weight))
        parts.append(
            f"<rect x='{_LABELS}' y='{top + 6}' width='{width:.1f}' height='{_ROW - 10}' rx='3' fill='{fill}'/>"
        )
        parts.append(_text(_LABELS + width + 8, middle, entry.text, weight=weight))
    note = f"{subtitle}, logarithmic scale" if is_log else subtitle
    return _document(height, title, note, parts)


def lines(title: str, subtitle: str, x_label: str, entries: Sequence[Line]) -> str:
    """Lines over a logarithmic x axis; the y axis begins at zero."""
    left, top, bottom, right = 64.0, _TOP + 14.0, 330.0, _WIDTH - 150.0
    xs = sorted({x for entry in entries for x, _ in entry.points})
    highest = _round_up(max(y for entry in entries for _, y in entry.points))
    span = math.log10(xs[-1] / xs[0]) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return left + math.log10(x / xs[0]) / span * (right - left), bottom - y / highest * (bottom - top)

    parts = []
    for step in range(5):
        value = highest * step / 4
        _, y = place(xs[0], value)
        parts.append(f"<line x1='{left}' x2='{right}' y1='{y:.1f}' y2='{y:.1f}' stroke='{GRID}'/>")
        parts.append(_text(left - 8, y, f"{value:g}", anchor="end"))
    parts += [_text(place(x, 0)[0], bottom + 18, f"{x:,.0f}".replace(",", " "), anchor="middle") for x in xs]
    parts.append(_text((left + right) / 2, bottom + 42, x_label, anchor="middle"))
    for colour, entry in zip(PALETTE, entries, strict=False):
        points = [place(x, y) for x, y in entry.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.5'/>")
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{colour}'/>" for x, y in points]
        parts.append(_text(points[-1][0] + 12, points[-1][1], entry.label, fill=colour, weight="600"))
    return _document(386, title, subtitle, parts)


def _linear_scale(values: Sequence[float]) -> Scale:
    highest = max(values) or 1.0
    return lambda value: value / highest


def _log_scale(values: Sequence[float]) -> Scale:
    lowest = 10 ** math.floor(math.log10(min(values)) - 0.3)
    span = math.log10(max(values) / lowest)
    return lambda value: math.log10(value / lowest) / span


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8, 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value or 1.0))
    return next(step * power for step in (1, 2, 4, 5, 8, 10, 20) if step * power >= value)


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = INK, weight: str = "400") -> str:
    # Half of the height of the letters, for renderers that know no dominant-baseline.
    place = f"x='{x:.1f}' y='{y + 4.5:.1f}' text-anchor='{anchor}'"
    return f"<text {place} fill='{fill}' font-size='13' font-weight='{weight}'>{escape(text)}</text>"


def _document(height: float, title: str, subtitle: str, parts: Sequence[str]) -> str:
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height:.0f}' role='img' {_FONT}>"
        f"<title>{escape(title)}</title>"
        f"<text x='12' y='24' fill='{INK}' font-size='16' font-weight='600'>{escape(title)}</text>"
        f"<text x='12' y='44' fill='{INK}' font-size='12'>{escape(subtitle)}</text>"
    )
    return "\n".join((head, *parts, "</svg>", ""))
