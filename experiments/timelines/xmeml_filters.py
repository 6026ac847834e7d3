"""Basic Motion, Crop and Time Remap of a clip in xmeml; all other filters are listed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from experiments.timelines.model import Account, Curve, Keyframe, Rate, Transform, still
from experiments.timelines.numbers import decimal, number_in
from experiments.timelines.tree import Node

SIDES = {"left": "crop_l", "right": "crop_r", "top": "crop_t", "bottom": "crop_b"}
STRAIGHT = ("", "linear", "hold")
"""Interpolations that are read exactly."""
HARMLESS = {"antiflicker": 0.0}
"""Parameters of Basic Motion besides the twelve, with the value at which they do nothing."""


@dataclass(frozen=True)
class Motion:
    """What a clip's filters do to its picture; times from the first frame of its media that is used."""

    curves: dict[str, Curve]
    speed: float = 1.0

    def transform_from(self, seconds: Fraction) -> Transform:
        """The transform of a clip that is seen from a later second on."""
        return Transform.of(
            {
                name: Curve(tuple(replace(one, time=one.time - seconds) for one in curve.keyframes))
                for name, curve in self.curves.items()
            }
        )


def motion_of(
    clip: Node,
    rate: Rate,
    first: int,
    account: Account,
    file: str,
    frame: tuple[int, int] | None,
    media: tuple[int, int] | None,
) -> Motion:
    """What the filters of a clip do.

    Args:
        clip: the clipitem. rate: of its own frames. first: its frame ``in``, from which keyframes are counted.
        account: gets what is left out.
        frame: width and height of the sequence. media: those of the file. None: unknown.

    Raises:
        CorpusError: a value is no number; says on which line.
    """
    curves: dict[str, Curve] = {}
    speed = 1.0
    for node in clip.all("filter"):
        effect = node.child("effect")
        if effect is None:
            continue
        kind = effect.value("effectid").lower()
        shown = effect.value("name"), effect.value("effectid")
        name = " / ".join(dict.fromkeys(filter(None, shown)))
        if effect.value("pproBypass").upper() == "TRUE" or node.value("enabled").upper() == "FALSE":
            account.add(f"filter '{name}' is switched off", node.line)
            continue
        match kind:
            case "basic":
                found = _basic(effect, rate, first, account, file)
                moved = any(not found[axis].constant or found[axis].keyframes[0].value != 0.5 for axis in ("x", "y"))
                if moved and frame is not None and media != frame:
                    account.add(
                        "centre of a clip whose media has another size than the sequence, or an unknown one: read as a "
                        "fraction of the sequence's frame",
                        node.line,
                    )
                curves |= found
            case "crop":
                curves |= {
                    column: _scalar(effect, side, rate, first, account, file, 0.01, 0.0)
                    for side, column in SIDES.items()
                }
            case "timeremap":
                speed = _speed(effect, account, file)
            case _:
                account.add(f"filter '{name}': only Basic Motion, Crop and Time Remap are read", node.line)
    if clip.value("stillframe").upper() == "TRUE":
        speed = 0.0
    mode = clip.value("compositemode")
    if mode and mode.lower() != "normal":
        account.add(f"composite mode '{mode}' of a clip", clip.line)
    return Motion(curves, speed)


def _parameter(effect: Node, name: str) -> Node | None:
    return next((one for one in effect.all("parameter") if one.value("parameterid").lower() == name.lower()), None)


def _basic(effect: Node, rate: Rate, first: int, account: Account, file: str) -> dict[str, Curve]:
    for one in effect.all("parameter"):
        name, value = one.value("parameterid"), one.value("value")
        if name in ("scale", "rotation", "center", "centerOffset"):
            continue
        if name not in HARMLESS or (value and decimal(value, "<value>", file, one.line) != HARMLESS[name]):
            account.add(f"parameter '{name}' of Basic Motion", one.line)
    found = {
        "scale": _scalar(effect, "scale", rate, first, account, file, 0.01, 1.0),
        "rotation": _scalar(effect, "rotation", rate, first, account, file, 1.0, 0.0),
    }
    for parameter, prefix in (("center", ""), ("centerOffset", "anchor_")):
        for tag, axis in (("horiz", "x"), ("vert", "y")):
            found[prefix + axis] = _axis(effect, parameter, tag, rate, first, account, file)
    return found


def _scalar(
    effect: Node, name: str, rate: Rate, first: int, account: Account, file: str, unit: float, rest: float
) -> Curve:
    node = _parameter(effect, name)
    if node is None:
        return still(rest)
    keys = _keys(node, rate, first, account, file, "value", unit, 0.0)
    return keys or still(unit * number_in(node, "value", file, rest / unit))


def _axis(effect: Node, name: str, tag: str, rate: Rate, first: int, account: Account, file: str) -> Curve:
    node = _parameter(effect, name)
    value = None if node is None else node.child("value")
    if node is None:
        return still(0.5)
    keys = _keys(node, rate, first, account, file, tag, 1.0, 0.5)
    return keys or still(0.5 + (0.0 if value is None else number_in(value, tag, file, 0)))


def _keys(
    node: Node, rate: Rate, first: int, account: Account, file: str, tag: str, unit: float, origin: float
) -> Curve | None:
    keyframes: dict[Fraction, Keyframe] = {}
    for one in node.all("keyframe"):
        time = rate.seconds(1) * (round(number_in(one, "when", file)) - first)
        holder = one if tag == "value" else one.child("value") or one
        way = one.value("interpolation", "name").lower()
        if way not in STRAIGHT:
            account.add("eased movement between keyframes: read as a straight one", one.line)
        value = origin + unit * number_in(holder, tag, file)
        keyframes[time] = Keyframe(time, value, hold=way == "hold")
    return Curve(tuple(keyframes[time] for time in sorted(keyframes))) if keyframes else None


def _speed(effect: Node, account: Account, file: str) -> float:
    node = _parameter(effect, "speed")
    speed = 1.0 if node is None else number_in(node, "value", file, 100) / 100
    reverse = _parameter(effect, "reverse")
    if reverse is not None and reverse.value("value").upper() == "TRUE":
        speed = -abs(speed)
    variable, graph = _parameter(effect, "variablespeed"), _parameter(effect, "graphdict")
    if variable is not None and variable.value("value") in ("1", "TRUE") and graph is not None:
        account.add(f"speed that changes within a clip: read as an even one of {100 * speed:g} %", effect.line)
    return speed
