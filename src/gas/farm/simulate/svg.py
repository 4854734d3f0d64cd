"""A line chart as SVG text: title, axes, legend, and words for those who cannot see it.

Colours are the Okabe-Ito palette, which people with colour blindness tell apart; each line has its
own dash as well. Lines are steps: a number of instances stays until it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 230, 50, 55
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("", "8 3", "2 3", "10 3 2 3", "5 5", "1 4", "12 4")


@dataclass(frozen=True)
class Line:
    """``points`` as (x, y), one at least, x not falling; those beyond the chart are left out."""

    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """``described``: what the picture shows, in a sentence. A ``mark`` is (x, its label)."""

    title: str
    described: str
    x_label: str
    y_label: str
    x_max: float
    y_max: float
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()
    x_step: float = 5
    y_step: float = 2

    def svg(self) -> str:
        body = [*self._axes(), *self._marks()]
        for number, line in enumerate(self.lines):
            body += self._line(number, line)
        inner = "\n".join(body)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-labelledby="title desc" font-family="sans-serif" font-size="13">\n'
            f'<title id="title">{escape(self.title)}</title>\n'
            f'<desc id="desc">{escape(self.described)}</desc>\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
            f"{_text(LEFT, 28, self.title, size=17)}\n{inner}\n</svg>\n"
        )

    def _x(self, value: float) -> float:
        return round(LEFT + min(value, self.x_max) / self.x_max * (WIDTH - LEFT - RIGHT), 1)

    def _y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value / self.y_max * (HEIGHT - TOP - BOTTOM), 1)

    def _axes(self) -> list[str]:
        parts = []
        for step in range(int(self.y_max / self.y_step) + 1):
            y = self._y(step * self.y_step)
            parts.append(_stroke(LEFT, y, WIDTH - RIGHT, y, "#dddddd"))
            parts.append(_text(LEFT - 8, y + 4, f"{step * self.y_step:g}", anchor="end"))
        for step in range(int(self.x_max / self.x_step) + 1):
            x = self._x(step * self.x_step)
            parts.append(_stroke(x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 5, "#444444"))
            parts.append(_text(x, HEIGHT - BOTTOM + 20, f"{step * self.x_step:g}", anchor="middle"))
        parts.append(_stroke(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "#444444"))
        middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        parts.append(_text(middle, HEIGHT - 12, self.x_label, anchor="middle"))
        parts.append(
            f'<text x="18" y="{centre}" text-anchor="middle" '
            f'transform="rotate(-90 18 {centre})">{escape(self.y_label)}</text>'
        )
        return parts

    def _marks(self) -> list[str]:
        parts = []
        for value, label in self.marks:
            x = self._x(value)
            parts.append(_stroke(x, TOP, x, HEIGHT - BOTTOM, "#888888", dash="3 3"))
            parts.append(_text(x + 4, TOP + 12, label, size=11))
        return parts

    def _line(self, number: int, line: Line) -> list[str]:
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        (x0, y0), *rest = line.points
        path = [f"M{self._x(x0)} {self._y(y0)}"]
        path += [f"H{self._x(x)}V{self._y(y)}" for x, y in rest if x <= self.x_max]
        path.append(f"H{self._x(self.x_max)}")
        top, left = TOP + 12 + number * 22, WIDTH - RIGHT + 14
        return [
            f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="2.2"'
            + (f' stroke-dasharray="{dash}"' if dash else "")
            + "/>",
            _stroke(left, top, left + 30, top, colour, dash=dash, width=2.2),
            _text(left + 36, top + 4, line.label, size=12),
        ]


def _stroke(
    x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "", width: float = 1
) -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" '
        f'stroke-width="{width}"{dashed}/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", size: int = 13) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'
