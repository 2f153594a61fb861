"""A matplotlib figure as SVG that stands inside a page: coloured by the page, named for screen readers, the same bytes always."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colours by their part: in a picture on its own as they stand, in a page as CSS variables ``--fp-NAME``, so that a dark page
#: may choose others; hence no two are the same. Lines of the chips are told apart by people who see few colours (and by dashes and labels besides).
COLOURS: dict[str, str] = {
    "ink": "#1d2126", "muted": "#59636e", "rule": "#d4d9df", "paper": "#fffffe", "proved": "#1d2127",
    "c0": "#0b62c4", "c1": "#b8500a", "c2": "#0a7a55", "c3": "#7c3aed", "c4": "#8a6100", "c5": "#50606f",
    "out": "#b3203d", "for": "#0b62c5", "against": "#b8500b",
    "h0": "#f3f6f9", "h1": "#dfeaf6", "h2": "#c3daf0", "h3": "#a0c5e8", "h4": "#7bafdf", "hx": "#fbdfe4",
}  # fmt: skip

#: How much larger than drawn a page may show a picture.
LARGEST = 1.4

_VARIABLE = {value: f"var(--fp-{name}, {value})" for name, value in COLOURS.items()}

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "fingerprint", "text.parse_math": False, "font.family": "sans-serif",
    "font.size": 9.2, "axes.edgecolor": COLOURS["muted"], "axes.labelcolor": COLOURS["ink"], "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"], "ytick.color": COLOURS["muted"], "axes.linewidth": 0.7, "xtick.major.width": 0.7,
    "ytick.major.width": 0.7, "xtick.labelcolor": COLOURS["muted"], "ytick.labelcolor": COLOURS["muted"],
    "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 72.0, "savefig.dpi": 72.0, "path.simplify": False,
    "axes.unicode_minus": True, "legend.frameon": False,
}  # fmt: skip

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@contextmanager
def settings() -> Iterator[None]:
    """Draw with this module's settings, whatever the user's own are."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # A name in a script that the measuring font lacks is drawn by the browser's.
        warnings.filterwarnings("ignore", message="Glyph")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure of so many pixels, apart from pyplot's."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72.0, height / 72.0))


def inline(figure: Figure, name: str, title: str, description: str) -> str:
    """Return a figure as an ``<svg>`` element.

    Parameters
    ----------
    name : str
        Begins every id in it: unique in the page.
    title, description : str
        What a screen reader says of it.
    """
    sink = io.BytesIO()
    figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(sink.getvalue())  # noqa: S314  # matplotlib wrote it a line above
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    wanted = set()
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == f"{{{_XLINK}}}href":
                del element.attrib[key]
                element.set("href", f"#{name}-{value[1:]}")
                wanted.add(value[1:])
            elif found := _REFERENCE.findall(value):
                wanted.update(found)
                element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in wanted:
            element.set("id", f"{name}-{own}")
        if "style" in element.attrib:
            element.set("style", _restyled(element.attrib["style"]))
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    widest = f"max-width: {float(root.attrib['viewBox'].split()[2]) * LARGEST:.0f}px"
    root.attrib.update({"role": "img", "aria-labelledby": f"{name}-title {name}-desc", "class": "picture", "style": widest})
    for tag, words in (("desc", description), ("title", title)):
        element = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = words
        root.insert(0, element)
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")


def _restyled(style: str) -> str:
    """Return a style with the page's colours and the page's font at the figure's size."""
    out = []
    for part in style.split(";"):
        key, _, value = part.partition(":")
        key, value = key.strip(), value.strip()
        if key == "font":
            size = re.search(r"([\d.]+)px", value)
            out.append(f"font-size: {size[1] if size else 9}px")
            if "bold" in value.split("px")[0]:
                out.append("font-weight: 600")
        elif key in ("fill", "stroke"):
            out.append(f"{key}: {_VARIABLE.get(value.lower(), value)}")
        elif key:
            out.append(f"{key}: {value}")
    return "; ".join(out)


def available() -> bool:
    """Return whether matplotlib is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None
