"""From a drawing to SVG: the same bytes for the same numbers, as a file of its own or as part of a page.

A page with a strict Content-Security-Policy allows no style attributes, so those of an inline figure are turned into
plain attributes, its ids are made unique, and its ink takes the colour of the text around it: one figure serves a
light and a dark page.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from functools import lru_cache
from typing import Any

from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.figure import Figure as Drawing
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from reports.figures.base import FigureBase
from reports.figures.measuring import ticks_measured_once
from reports.figures.style import INK, PAPER, house_style

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_LINK = f"{{{_XLINK}}}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_HASHED = re.compile(r'((?:id="|href="#|url\(#)[^">)]*?)([0-9a-f]{10})(?=[")])')
_FONT = re.compile(r"(?P<weight>bold|\d{3})?\s*(?P<size>[\d.]+px)")


def rendered(figure: FigureBase) -> str:
    """A figure, drawn, as a standalone SVG."""
    return to_svg(figure.draw())


def to_svg(drawing: Drawing) -> str:
    """A standalone SVG without date or version, so that equal numbers give equal bytes."""
    buffer = io.StringIO()
    dpi: Any = drawing.dpi
    with house_style(), ticks_measured_once(drawing):
        # ``savefig`` would draw twice, the first time for a layout that the one drawing makes as well.
        canvas = _Canvas(drawing)
        drawing.dpi = 72
        width, height = drawing.get_size_inches()
        page = _Svg(72 * width, 72 * height, buffer, image_dpi=dpi, metadata={"Date": None, "Creator": None})
        canvas.renderer = MixedModeRenderer(drawing, width, height, dpi, page)
        drawing.draw(canvas.renderer)
        canvas.renderer.finalize()
    drawing.dpi = dpi
    svg = buffer.getvalue()
    # Ids are hashes of numbers to their last digit, which a solver of layouts rounds now this way and now that way.
    places = {found[2]: i for i, found in enumerate(_HASHED.finditer(svg))}
    return _HASHED.sub(lambda found: f"{found[1]}{places[found[2]]}", svg)


class _Canvas(FigureCanvasSVG):
    """Lays a figure out by the renderer that draws it: what one has measured another one does not know."""

    renderer: Any

    def get_renderer(self) -> Any:
        return self.renderer


class _Svg(RendererSVG):
    """What figures have in common, such as numbers along an axis, is measured once for all of them."""

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> Any:
        return _size(s, prop, ismath)


@lru_cache(maxsize=4096)
def _size(text: str, font: FontProperties, formula: Any) -> Any:
    """Width, height and descent of a text. Matplotlib hands over a copy of the font, which nobody changes later."""
    return TextToPath().get_text_width_height_descent(text, font, formula)


def inline(svg: str, name: str, title: str, description: str) -> str:
    """The figure as an element of a page.

    Args:
        svg: a standalone SVG from :func:`to_svg`.
        name: unique on the page; prefixes every id.
        title, description: what assistive technology reads.
    """
    root = ElementTree.fromstring(svg)
    used = _references(root)
    for element in root.iter():
        _plain_attributes(element)
        _unique_ids(element, name, used)
    for parent in root.iter():
        for child in list(parent):
            if _tag(child) in ("metadata", "style"):
                parent.remove(child)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    for i, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{'title' if i == 0 else 'description'}"})
        element.text = text
        root.insert(i, element)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _references(root: ElementTree.Element) -> set[str]:
    used = set()
    for element in root.iter():
        used.add(element.get(_LINK, "").removeprefix("#"))
        for value in element.attrib.values():
            used.update(_REFERENCE.findall(value))
    return used


def _plain_attributes(element: ElementTree.Element) -> None:
    for rule in (element.attrib.pop("style", "") or "").split(";"):
        key, _, value = (part.strip() for part in rule.partition(":"))
        if key == "font":
            font = _FONT.match(value)
            if font is not None:
                element.set("font-size", font["size"])
                if font["weight"]:
                    element.set("font-weight", font["weight"])
        elif key and key != "font-family":
            # The page sets its own face; ours only measured the text.
            element.set(key, value)
    for key in ("fill", "stroke"):
        match element.get(key):
            case value if value == INK:
                element.set(key, "currentColor")
            case value if value == PAPER:
                element.set(key, "var(--paper)")
    if _tag(element) == "text" and "fill" not in element.attrib:
        element.set("fill", "currentColor")


def _unique_ids(element: ElementTree.Element, name: str, used: set[str]) -> None:
    own = element.attrib.pop("id", None)
    if own in used:
        element.set("id", f"{name}-{own}")
    if _LINK in element.attrib:
        element.set(_LINK, f"#{name}-{element.attrib[_LINK].removeprefix('#')}")
    for key, value in element.attrib.items():
        if "url(#" in value:
            element.set(key, _REFERENCE.sub(lambda found: f"url(#{name}-{found[1]})", value))
