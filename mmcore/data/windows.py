"""How many steps a model sees at once, and which items are longer than that.

The default is :func:`mmcore.task.default_window`. Where each item has one target, an item that is longer than the
window is cut: the model sees a part of it at a time, and the predictions of the parts are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from mmcore.config import DataConfig, RunConfig
from mmcore.data.prepared import Aligned, PreparedItem
from mmcore.facts import Lengths
from mmcore.language import say
from mmcore.task import default_window


def stretches(item: PreparedItem) -> list[int]:
    """Steps between an item's breaks: a window never reaches across one, so each is cut by itself."""
    return [high - low for low, high in pairwise([0, *item.breaks, item.steps])]


def all_stretches(prepared: Aligned) -> list[int]:
    """Those of all items."""
    return [length for item in prepared.items for length in stretches(item)]


def window_of(config: DataConfig, prepared: Aligned) -> int:
    """The window in steps: as configured, else the default for this corpus."""
    if config.window is not None:
        return config.window
    return default_window(prepared.schema, lambda: all_stretches(prepared))


def with_window(config: RunConfig, prepared: Aligned) -> RunConfig:
    """The config with a number for a window; itself where it has one."""
    if config.data.window is not None:
        return config
    data = config.data.model_copy(update={"window": window_of(config.data, prepared)})
    return config.model_copy(update={"data": data})


# Lengths and cuts ----------------------------------------------------------------------------------------------------
def lengths_of(prepared: Aligned) -> Lengths:
    """The lengths of a corpus's items."""
    steps = [item.steps for item in prepared.items if item.steps]
    return Lengths(len(steps), min(steps), float(median(steps)), max(steps))


def cut_items(prepared: Aligned, items: Sequence[int], window: int) -> int | None:
    """How many of these items a window cuts; None where each step has a target, since cutting is harmless there."""
    if prepared.schema.targets.scope == "step":
        return None
    return sum(max(stretches(prepared.items[index])) > window for index in items)


def cut_text(prepared: Aligned, window: int) -> str | None:
    """A warning of items that a window cuts, with what to set; None where there are none."""
    cut = cut_items(prepared, range(len(prepared.items)), window)
    if not cut:
        return None
    longest = max(all_stretches(prepared))
    step = prepared.schema.step
    text = say(
        "{n} of {items} items are longer than the window of {window:,} steps and are cut; the longest has {longest:,}. "
        "The model sees a part of such an item at a time.",
        n=cut,
        items=len(prepared.items),
        window=window,
        longest=longest,
    )
    if step is None:
        return say("{text} Set data.window={longest}", text=text, longest=longest)
    return say(
        "{text} Set data.window={longest}, or a step above {step:g} s in corpus.yaml",
        text=text,
        longest=longest,
        step=step,
    )
