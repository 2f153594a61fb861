"""The README's picture: an H20's matrix products under its own roofline, and an H800's through the H20's."""

from __future__ import annotations

from pathlib import Path

import fingerprint
from fingerprint.report import words
from fingerprint.report.pictures import draw_roofline, line_colours, precision_in_words
from fingerprint.report.points import panels
from fingerprint.report.svg import COLOURS, canvas, settings

#: Example, what is claimed of it, the precision shown, and what there is to see.
SHOWN = (("h20-gemm-pytorch.csv", "H100-SXM", "bf16", "Near an H20's ceiling, far below an H100's"),
         ("h800-deepgemm.csv", "H20", "fp8", "No H20: the figures pierce its ceiling"))  # fmt: skip

#: Pixels.
WIDTH, HEIGHT = 880, 320


def draw(examples: Path, out: Path) -> None:
    """Write the picture as SVG: the same bytes from the same model and matplotlib.

    Parameters
    ----------
    examples : Path
        The folder of the examples.
    out : Path
        The file to write.
    """
    with settings():
        figure = canvas(WIDTH, HEIGHT)
        for i, (file, claimed, precision, title) in enumerate(SHOWN):
            [verdict] = fingerprint.classify(fingerprint.read(str(examples / file)), claimed=claimed)
            assert verdict.figures is not None
            [panel] = [p for p in panels(verdict, verdict.figures) if p.precision == precision]
            ax = figure.add_axes((0.062 + 0.5 * i, 0.14, 0.3, 0.68))
            draw_roofline(ax, panel, line_colours(verdict))
            ax.text(-0.13, 1.17, title, transform=ax.transAxes, fontsize=11, fontweight="bold")
            about = f"{words.clean(verdict.profile)}, {precision_in_words(precision)}; claimed {claimed}: {verdict.claim.result if verdict.claim else ''}"
            ax.text(-0.13, 1.08, about, transform=ax.transAxes, fontsize=9, color=COLOURS["muted"])
        figure.savefig(out, format="svg", facecolor="#ffffff", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
