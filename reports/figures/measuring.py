"""What matplotlib measures again and again while it draws one figure, measured once.

To lay a figure out and draw it, matplotlib places the ticks of an axis a dozen times and measures their labels half as
often, though they change only when the axis does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text

_STEPS = ("_update_ticks", "_get_ticklabel_bboxes")
"""The methods of an axis that place its ticks and measure their labels. A matplotlib that has other ones draws as
well, only slower."""
_LAYOUT = "_get_layout"
"""The method of a text that finds its size, wherever the text stands; the same holds for it."""


@contextmanager
def ticks_measured_once(drawing: Drawing) -> Iterator[None]:
    """While it lasts, a drawing of which nothing but the place of its axes changes is drawn faster, and just the same.

    Args:
        drawing: finished; its limits, ticks and labels are not changed within.
    """
    axes = [axis for one in drawing.axes for axis in (one.xaxis, one.yaxis)]
    known = [axis for axis in axes if all(hasattr(axis, step) for step in _STEPS)]
    # Axes that are shared have one formatter, which remembers the ticks of whichever asked last.
    latest: dict[int, Axis] = {}
    texts: set[Text] = set()
    for axis in known:
        place, measure = _remembering(axis, latest, texts)
        vars(axis).update(zip(_STEPS, (place, measure), strict=True))
    try:
        yield
    finally:
        for axis in known:
            for step in _STEPS:
                del vars(axis)[step]
        for text in texts:
            del vars(text)[_LAYOUT]


def _remembering(
    axis: Axis, latest: dict[int, Axis], texts: set[Text]
) -> tuple[Callable[[], list[Any]], Callable[..., Any]]:
    """The two steps of an axis; each answers as before where nothing has changed since.

    Args:
        latest: formatter to the axis that it wrote for last. texts: labels that remember their layout; more are added.
    """
    place, measure = (getattr(axis, step) for step in _STEPS)
    # Somebody has looked at ticks, and may have changed the look of one.
    own = len(vars(axis).get("majorTicks", ())) > 1
    ticks: list[Any] = []
    seen: object = None
    bounds: object = None
    room = 0
    sizes: Any = None

    def place_ticks() -> list[Any]:
        nonlocal ticks, seen, bounds, room, sizes
        if bounds != (bounds := axis.axes.bbox.bounds):
            room, sizes = axis.get_tick_space(), None
        now = (*axis.get_view_interval(), room)
        formatter = id(axis.get_major_formatter())
        if now != seen or latest.get(formatter) is not axis:
            with nullcontext() if own else _ticks_in_view(axis):
                ticks, seen, sizes = place(), now, None
            latest[formatter] = axis
        return [*ticks]

    def measure_labels(of: list[Any], renderer: Any) -> Any:
        nonlocal sizes
        if of != ticks:
            return measure(of, renderer)
        if sizes is None:
            for text in (text for tick in ticks for text in (tick.label1, tick.label2) if text.get_visible()):
                if text not in texts and hasattr(text, _LAYOUT):
                    texts.add(text)
                    vars(text)[_LAYOUT] = _laying_out_once(text)
            sizes = measure(of, renderer)
        return sizes

    return place_ticks, measure_labels


def _laying_out_once(text: Text) -> Callable[[Any], Any]:
    """The layout of a label, found again only where it has other words than before."""
    lay_out = getattr(text, _LAYOUT)
    found: dict[tuple[str, Any], Any] = {}

    def laid_out(renderer: Any) -> Any:
        now = (text.get_text(), renderer)
        if now not in found:
            found[now] = lay_out(renderer)
        return found[now]

    return laid_out


@contextmanager
def _ticks_in_view(axis: Axis) -> Iterator[None]:
    """While it lasts, an axis makes no ticks but those in view: two of five, each as costly as a curve, lie outside.

    Labels are those that the ticks have among all others.
    """
    formatter = axis.get_major_formatter()
    find: Callable[[], Any] = axis.get_majorticklocs
    write = formatter.format_ticks
    labels: list[str] = []

    def found() -> Any:
        locs = find()
        low, high = sorted(axis.get_transform().transform(np.array(axis.get_view_interval())))
        places_T, edge = axis.get_transform().transform(np.asarray(locs)), 0.01 * (high - low)
        keep_T = ~((places_T < low - edge) | (places_T > high + edge))
        labels[:] = [label for label, kept in zip(write(locs), keep_T, strict=True) if kept]
        return np.asarray(locs)[keep_T]

    with _replaced(axis, "get_majorticklocs", found), _replaced(formatter, "format_ticks", lambda _: labels):
        yield


@contextmanager
def _replaced(thing: Any, name: str, method: Callable[..., Any]) -> Iterator[None]:
    """While it lasts, one object alone has another method."""
    own = vars(thing)
    before = {name: own[name]} if name in own else {}
    own[name] = method
    try:
        yield
    finally:
        del own[name]
        own.update(before)
