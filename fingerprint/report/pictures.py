"""The pictures of a verdict, drawn by matplotlib: rooflines, posterior, utilisation and evidence.

Each is small, so that it can be read on a telephone and two stand abreast on a desk. What a picture shows by colour it also
shows by a dash, a mark or a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fingerprint import chips
from fingerprint.claims import amount
from fingerprint.report import words
from fingerprint.report.points import Panel, Roof, Utilisation, panels, utilisation
from fingerprint.report.svg import COLOURS, canvas, inline, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fingerprint.verdict import Verdict

#: Pixels: a telephone's column, so that the letters stay legible there.
WIDTH = 372.0

#: Shares of a ceiling from which on a cell of the utilisation is darker.
_STEPS = (0.02, 0.1, 0.3, 0.6)

_LINES = ("c0", "c1", "c2", "c3", "c4", "c5")


@dataclass(frozen=True)
class Picture:
    """A picture as it stands in a page: its part of the report, what it is called, its caption and its SVG."""

    part: str
    title: str
    caption: str
    svg: str


def pictures(verdict: Verdict, name: str) -> list[Picture]:
    """Return the pictures of a verdict; those of its figures only if it holds them.

    Parameters
    ----------
    name : str
        Begins every id: unique in the page.
    """
    with settings():
        return list(_pictures(verdict, name))


def _pictures(verdict: Verdict, name: str) -> Iterator[Picture]:
    figures = verdict.figures
    if figures is not None:
        for i, panel in enumerate(panels(verdict, figures)):
            figure = canvas(WIDTH, 272)
            ax = figure.add_axes((0.132, 0.142, 0.556, 0.838))
            draw_roofline(ax, panel, line_colours(verdict))
            title = f"Rooflines, {precision_in_words(panel.precision)}"
            described = describe_roofline(panel)
            yield Picture("rooflines", title, described, inline(figure, f"{name}-roof{i}", title, described))
        if found := utilisation(verdict, figures):
            title = "Share of each ceiling that the figures prove"
            described = describe_utilisation(found)
            yield Picture("utilisation", title, described, _utilisation(found, f"{name}-use", title, described))
    if verdict.answer != "insufficient":
        title = "Probability of each class"
        described = "; ".join(f"{words.name_of(c)} {words.percent(p)}{' (in the set)' if inside else ''}" for c, p, inside in words.ranked(verdict))
        yield Picture("posterior", title, f"Filled: in the {verdict.coverage:.0%} prediction set. Outlined: not in it.",
                      _posterior(verdict, f"{name}-post", title, described))  # fmt: skip
    if verdict.evidence:
        title = "What each figure adds to the answer, in bits"
        described = "; ".join(f"row {e.row} {e.weight:+.2f}" for e in verdict.evidence)
        caption = "To the right: speaks for the answer. To the left: against it."
        yield Picture("evidence", title, caption, _evidence(verdict, f"{name}-bits", title, described))


def precision_in_words(precision: str) -> str:
    """Return a precision as a picture's title has it."""
    return precision.upper() if precision else "precision not stated"


def line_colours(verdict: Verdict) -> dict[str, str]:
    """Return the colour of each class's lines, the same in all pictures of a verdict."""
    p = verdict.probabilities
    order = sorted(chips.ARCHITECTURES, key=lambda a: (a not in verdict.prediction_set, -p.get(a, 0.0)))
    return {a: COLOURS[_LINES[min(i, len(_LINES) - 1)]] for i, a in enumerate(order)}


def draw_roofline(ax: Axes, panel: Panel, colours: Mapping[str, str]) -> None:
    """Draw a panel's points under its rooflines on axes, both scales logarithmic."""
    low, high, bottom, top = _limits(panel)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    ax.set_ylim(bottom, top)
    ax.grid(visible=True, color=COLOURS["rule"], linewidth=0.5)
    ax.set_axisbelow(True)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(_short)
        axis.set_minor_formatter(lambda *_: "")
        axis.set_tick_params(which="minor", length=0)
    ax.set_xlabel("arithmetic intensity, FLOP a byte")
    ax.set_ylabel("TFLOP/s per accelerator")
    x = np.geomspace(low, high, 200)
    for roof in panel.roofs:
        # The bend belongs to the line, whatever the grid.
        at = np.unique(np.r_[x, np.clip(_ridge(roof), low, high)])
        y = np.minimum(roof.peak, at * roof.bandwidth) / 1e12
        colour = _colour(roof, colours)
        ax.plot(at, y, color=colour, linewidth=1.5 if not roof.excluded else 1.1, linestyle=(0, (4, 2)) if roof.excluded else "-", zorder=2)
    _bandwidth(ax, panel, low, high, top)
    _points(ax, panel, high)
    _labels(ax, panel, colours, bottom, top)


def _ridge(roof: Roof) -> float:
    return roof.peak / roof.bandwidth if np.isfinite(roof.bandwidth) else 0.0


def _colour(roof: Roof, colours: Mapping[str, str]) -> str:
    if roof.pierced:
        return COLOURS["out"]
    return COLOURS["muted"] if roof.excluded else colours.get(chips.table()[roof.chip].architecture, COLOURS["c5"])


def _limits(panel: Panel) -> tuple[float, float, float, float]:
    """Return left, right (FLOP/B), bottom and top (TFLOP/s) of a panel."""
    known = panel.intensity[np.isfinite(panel.intensity)]
    ridges = [r for r in map(_ridge, panel.roofs) if r > 0] or [100.0]
    low, high = min([*known, *ridges]) / 4.0, max([*known, *ridges]) * 4.0
    peaks = [r.peak for r in panel.roofs if np.isfinite(r.peak)]
    top = max([*panel.rate, *peaks, 1e9]) * 1.7 / 1e12
    bottom = min([*panel.rate, *peaks, top * 1e12 / 30.0]) / 2.5 / 1e12
    return low, high, max(bottom, top / 1e6), top


def _short(value: float, _: Any = None) -> str:
    """Return a tick's number, thousands as k."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _points(ax: Axes, panel: Panel, high: float) -> None:
    """Draw the points; those of unknown intensity as ticks at the right edge, where only the flat ceilings matter."""
    if not len(panel.rate):
        return
    known = np.isfinite(panel.intensity)
    x, y = np.where(known, panel.intensity, high / 1.25), panel.rate / 1e12
    ax.plot(x[known], y[known], "o", markersize=5.0, markerfacecolor=COLOURS["proved"], markeredgecolor=COLOURS["paper"],
            markeredgewidth=0.6, alpha=0.9, zorder=4)  # fmt: skip
    ax.plot(x[~known], y[~known], "_", markersize=13, markeredgewidth=1.3, color=COLOURS["proved"], zorder=4)
    best = int(np.argmax(y))
    below = [r.peak / 1e12 for r in panel.roofs if r.pierced and r.peak / 1e12 < y[best]]
    if below:
        ax.plot([x[best]] * 2, [min(below), y[best]], color=COLOURS["out"], linewidth=0.9, zorder=3)
        ax.plot([x[best]] * len(below), below, "x", color=COLOURS["out"], markersize=6, markeredgewidth=1.6, zorder=5)
    right = bool(np.log(x[best]) > np.mean(np.log(ax.get_xlim())))
    ax.annotate(f"row {panel.row[best]}", (float(x[best]), float(y[best])), xytext=(-8 if right else 8, 5), textcoords="offset points",
                ha="right" if right else "left", va="bottom", fontsize=9, zorder=6,
                bbox={"facecolor": COLOURS["paper"], "edgecolor": "none", "pad": 0.8, "alpha": 0.85})  # fmt: skip


def _bandwidth(ax: Axes, panel: Panel, low: float, high: float, top: float) -> None:
    """Draw the bandwidth that a memory test proves, as the slope it is."""
    if not np.isfinite(panel.bandwidth):
        return
    slope = panel.bandwidth / 1e12
    end = min(high, top / slope)
    ax.plot([low, end], [low * slope, end * slope], color=COLOURS["proved"], linewidth=2.2, linestyle=(0, (1, 1.2)), zorder=3)
    start = max(low, ax.get_ylim()[0] / slope) * 1.5
    box = ax.get_position()
    width, height = ax.get_figure().get_size_inches() * (box.width, box.height)  # type: ignore[union-attr]  # axes on a figure
    left, right = np.log10(ax.get_xlim())
    down, up = np.log10(ax.get_ylim())
    angle = float(np.degrees(np.arctan2(height / (up - down), width / (right - left))))
    ax.text(start, start * slope * 1.25, f"{amount(panel.bandwidth, 'bandwidth')}, row {panel.bandwidth_row}", rotation=angle,
            rotation_mode="anchor", fontsize=8, color=COLOURS["ink"], zorder=6)  # fmt: skip


def _labels(ax: Axes, panel: Panel, colours: Mapping[str, str], bottom: float, top: float) -> None:
    """Name the lines at their right ends, moved apart where they would overlap."""
    known = sorted((r for r in panel.roofs if np.isfinite(r.peak)), key=lambda r: r.peak)
    span = np.log(top / bottom)
    at = [float(np.log(r.peak / 1e12 / bottom) / span) for r in known]
    gap = 0.056
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + gap)
    for i in range(len(at) - 1, -1, -1):
        at[i] = min(at[i], 0.985 - gap * (len(at) - 1 - i))
    for roof, y in zip(known, at, strict=True):
        colour = _colour(roof, colours)
        mark = "× " if roof.pierced else ""
        ax.plot([1.0, 1.025], [np.log(roof.peak / 1e12 / bottom) / span, y], transform=ax.transAxes, clip_on=False, color=colour, linewidth=0.8)
        ax.text(1.035, y, f"{mark}{roof.chip}", transform=ax.transAxes, va="center", fontsize=8.8, color=colour,
                fontweight="bold" if not roof.excluded else "normal")  # fmt: skip


def describe_roofline(panel: Panel) -> str:
    """Return a panel in words."""
    out = []
    if panel.total:
        best = int(np.argmax(panel.rate))
        drawn = f", {len(panel.rate)} of them drawn" if len(panel.rate) < panel.total else ""
        plural = "s" if panel.total != 1 else ""
        out.append(f"{panel.total} figure{plural}{drawn}; the highest, row {panel.row[best]}, proves {amount(panel.rate[best], 'compute')}.")
        if blank := int((~np.isfinite(panel.intensity)).sum()):
            out.append(f"{blank} of unknown intensity {'stands' if blank == 1 else 'stand'} as ticks at the right.")
    if np.isfinite(panel.bandwidth):
        out.append(f"Dotted: the {amount(panel.bandwidth, 'bandwidth')} of memory that row {panel.bandwidth_row} proves.")
    for label, kept in (("Pierced, so excluded", [r for r in panel.roofs if r.pierced]),
                        ("Excluded by another figure", [r for r in panel.roofs if r.excluded and not r.pierced]),
                        ("Not excluded", [r for r in panel.roofs if not r.excluded])):  # fmt: skip
        if kept:
            names = [f"{r.chip} ({amount(r.peak, 'compute')})" if np.isfinite(r.peak) else r.chip for r in kept]
            out.append(f"{label}: {', '.join(names)}.")
    return " ".join(out)


def describe_utilisation(found: Utilisation) -> str:
    """Return the heat map in words."""
    out = int(found.excludes.any(axis=1).sum())
    excluded = "none of them is" if not out else "1 of them is" if out == 1 else f"{out} of them are"
    return (f"{len(found.chips)} chips of the likeliest classes, and of each other class the most capable: {excluded} excluded by a share "
            "above 100% and its tolerance (marked ×). A low share is no evidence against a chip by itself.")  # fmt: skip


def _utilisation(found: Utilisation, name: str, title: str, description: str) -> str:
    label, line, head = 120.0, 17.0, 40.0
    cell = min(54.0, (WIDTH - label - 4) / found.share.shape[1])
    rows, columns = found.share.shape
    width, height = max(label + cell * columns + 4, 260.0), head + line * rows + 4
    figure = canvas(width, height)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    from matplotlib.patches import Rectangle

    for j, kind in enumerate(found.kinds):
        head_words = "\n".join([*kind.replace("compute", "arithmetic").split(" ", 1), f"row {found.rows[j]}"])
        ax.text(label + cell * (j + 0.5), head - 5, head_words, ha="center", va="bottom", fontsize=7.8, color=COLOURS["muted"], linespacing=1.15)
    for i, chip in enumerate(found.chips):
        y = head + line * i
        gone = bool(found.excludes[i].any())
        ax.text(label - 7, y + line / 2, f"{'× ' if gone else ''}{chip}", ha="right", va="center", fontsize=8.5,
                color=COLOURS["out"] if gone else COLOURS["ink"])  # fmt: skip
        for j in range(columns):
            share, pierced = found.share[i, j], bool(found.excludes[i, j])
            colour = COLOURS["hx"] if pierced else COLOURS[f"h{int(np.searchsorted(_STEPS, share, side='right'))}"]
            told = bool(np.isfinite(share))
            ax.add_patch(Rectangle((label + cell * j + 1, y + 1), cell - 2, line - 2, facecolor=colour if told else "none",
                                   edgecolor=COLOURS["out"] if pierced else "none", linewidth=0.9))  # fmt: skip
            ax.text(label + cell * (j + 0.5), y + line / 2 + 0.5, words.share_of(share), ha="center", va="center", fontsize=8,
                    color=COLOURS["out"] if pierced else COLOURS["ink"], fontweight="bold" if pierced else "normal")  # fmt: skip
    return inline(figure, name, title, description)


def _bars(count: int, left: float) -> tuple[Any, Axes, float]:
    line = 23.0
    height = line * count + 8
    figure = canvas(WIDTH, height)
    ax = figure.add_axes((left / WIDTH, 0, 1 - left / WIDTH, 1))
    ax.set_axis_off()
    ax.set_ylim(count - 0.5 + 4 / line, -0.5 - 4 / line)
    return figure, ax, line


def _posterior(verdict: Verdict, name: str, title: str, description: str) -> str:
    shown = words.ranked(verdict)
    left = 146.0
    figure, ax, _ = _bars(len(shown), left)
    ax.set_xlim(0, 1.2)
    ax.axvline(0, color=COLOURS["muted"], linewidth=1.0)
    for i, (c, p, inside) in enumerate(shown):
        ax.barh(i, 1.0, height=0.62, color=COLOURS["h0"], zorder=1)
        ax.barh(i, p, height=0.62, color=COLOURS["c0"] if inside else COLOURS["h1"], edgecolor=COLOURS["c0"], linewidth=0.9, zorder=2)
        ax.text(-0.02, i, words.name_of(c), ha="right", va="center", fontsize=9.5, fontweight="bold" if inside else "normal",
                color=COLOURS["ink"] if inside else COLOURS["muted"])  # fmt: skip
        ax.text(1.19, i, words.percent(p), ha="right", va="center", fontsize=9.5, color=COLOURS["ink"])
    return inline(figure, name, title, description)


def _evidence(verdict: Verdict, name: str, title: str, description: str) -> str:
    weights = [e.weight for e in verdict.evidence]
    figure, ax, _ = _bars(len(weights), 70.0)
    most = max(map(abs, weights))
    negative, positive = min(weights) < 0, max(weights) > 0
    ax.set_xlim(-1.35 * most if negative else -0.05 * most, 1.35 * most if positive else 0.05 * most)
    ax.axvline(0, color=COLOURS["muted"], linewidth=1.0)
    for i, e in enumerate(verdict.evidence):
        ax.barh(i, e.weight, height=0.56, color=COLOURS["for" if e.weight > 0 else "against"], zorder=2)
        ax.annotate(f"{e.weight:+.2f}", (e.weight, i), xytext=(5 if e.weight > 0 else -5, 0), textcoords="offset points",
                    ha="left" if e.weight > 0 else "right", va="center", fontsize=9, color=COLOURS["ink"])  # fmt: skip
        ax.text(-0.02, i, f"row {e.row}", transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=9.5, color=COLOURS["ink"])
    return inline(figure, name, title, description)


def plot_roofline(verdict: Verdict, ax: Axes | None = None, precision: str | None = None) -> Axes:
    """Return matplotlib axes with the points of a verdict under its candidates' rooflines.

    Parameters
    ----------
    ax : matplotlib axes, optional
        New ones by default.
    precision : str, optional
        Of the arithmetic; by default that of most figures.

    Raises
    ------
    InputError
        When the verdict holds no figures, or none of that precision that prove a rate.
    """
    from fingerprint.errors import InputError

    if verdict.figures is None:
        raise InputError("the verdict holds no figures to plot; call classify(measurements, figures=True)", verdict.profile)
    found = panels(verdict, verdict.figures)
    chosen = next((p for p in found if precision is None or p.precision == precision), None)
    if chosen is None:
        known = ", ".join(p.precision or "''" for p in found) or "none"
        raise InputError(f"no figure of precision {precision!r} proves a rate; known: {known}", verdict.profile)
    if ax is None:
        import matplotlib.pyplot as plt

        figure, ax = plt.subplots(figsize=(7.2, 4.4))
        figure.subplots_adjust(right=0.76)
    draw_roofline(ax, chosen, line_colours(verdict))
    ax.set_title(f"{words.clean(verdict.profile, 60)}: {precision_in_words(chosen.precision)}", parse_math=False)
    return ax
