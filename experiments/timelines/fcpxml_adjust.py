"""Transform, crop and speed of a clip in FCPXML.

Positions, anchors and crops are percentages of the frame's *height*, also across; y counts upwards; rotation is
counterclockwise (Apple, FCPXML Reference, Intrinsic Video Adjustments).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from experiments.timelines.model import Account, Curve, Keyframe, Transform, still
from experiments.timelines.numbers import broken, decimal, rational
from experiments.timelines.tree import Node

SIDES = (("left", "crop_l"), ("right", "crop_r"), ("top", "crop_t"), ("bottom", "crop_b"))
HARMLESS = {"adjust-conform": ("type", "fit"), "adjust-blend": ("amount", "1.0")}
Unit = Callable[[float], float]


@dataclass(frozen=True)
class Frame:
    """Pixels across and down; 0 where the file does not say."""

    width: int
    height: int

    @property
    def tall(self) -> float | None:
        """Height of the frame in widths; None where unknown."""
        return self.height / self.width if self.width and self.height else None


def transform_of(clip: Node, own: Fraction, frame: Frame, media: Frame, account: Account, file: str) -> Transform:
    """The transform of a clip.

    Args:
        own: the clip's own time at its first moment. frame: the sequence's; media: that of the clip's asset.
        account: gets what is left out.

    Raises:
        CorpusError: a number cannot be read, or the sequence has no size and the clip is moved.
    """
    curves: dict[str, Curve] = {}
    move = clip.child("adjust-transform")
    if move is not None and move.get("enabled", "1") == "0":
        account.add("<adjust-transform> is switched off", move.line)
    elif move is not None:
        curves |= _transform(move, own, frame, account, file)
    crop = clip.child("adjust-crop")
    if crop is not None and crop.get("enabled", "1") == "0":
        account.add("<adjust-crop> is switched off", crop.line)
    elif crop is not None and crop.get("mode") != "trim":
        account.add(
            f"<adjust-crop mode='{crop.get('mode')}'>: it also enlarges the picture; trim alone is read", crop.line
        )
    elif crop is not None:
        rect = crop.child("trim-rect") or crop
        for side, name in SIDES:
            tall = _tall(media, crop, file) if side in ("left", "right") else 1.0
            cut = _scalar(rect, side, own, account, file)
            curves[name] = _changed(cut, lambda value, tall=tall: value * tall / 100)
    return Transform.of(curves)


def _tall(frame: Frame, node: Node, file: str) -> float:
    if frame.tall is None:
        raise broken(
            "positions and crops are parts of the frame's height, so its format needs a size", "none", file, node.line
        )
    return frame.tall


def _transform(move: Node, own: Fraction, frame: Frame, account: Account, file: str) -> dict[str, Curve]:
    found = {"rotation": _changed(_scalar(move, "rotation", own, account, file), lambda value: -value)}
    across, down = _pair(move, "scale", "1 1", own, account, file)
    if across != down:
        account.add("scale that differs across and down: the one across is read", move.line)
    found["scale"] = across
    for attribute, prefix in (("position", ""), ("anchor", "anchor_")):
        x, y = _pair(move, attribute, "0 0", own, account, file)
        moved = any(one.value for one in x.keyframes)
        tall = _tall(frame, move, file) if moved else 1.0
        found[prefix + "x"] = _changed(x, lambda value, tall=tall: 0.5 + value * tall / 100)
        found[prefix + "y"] = _changed(y, lambda value: 0.5 - value / 100)
    return found


def _changed(curve: Curve, unit: Unit) -> Curve:
    return Curve(tuple(Keyframe(one.time, unit(one.value), one.hold) for one in curve.keyframes))


def _param(node: Node, name: str) -> Node | None:
    return next((one for one in node.all("param") if one.get("name").lower() == name.lower()), None)


def _numbers(text: str, count: int, what: str, file: str, line: int) -> list[float]:
    parts = text.split()
    if len(parts) != count:
        raise broken(f"{what} must be {count} numbers", repr(text[:40]), file, line)
    return [decimal(part, what, file, line) for part in parts]


def _keyed(node: Node, own: Fraction, account: Account, file: str) -> list[tuple[Fraction, Node]]:
    """Keyframes by time from the clip's first moment."""
    found: dict[Fraction, Node] = {}
    holder = node.child("keyframeAnimation")
    keys = [] if holder is None else holder.all("keyframe")
    for one in keys:
        found[rational(one.get("time"), "time", file, one.line) - own] = one
        smooth = one.get("curve", "linear" if node.get("name").lower() == "position" else "smooth") == "smooth"
        if len(keys) > 1 and (smooth or one.get("interp", "linear") != "linear"):
            account.add("eased movement between keyframes: read as a straight one", one.line)
    return [(time, found[time]) for time in sorted(found)]


def _scalar(node: Node, name: str, own: Fraction, account: Account, file: str) -> Curve:
    param = _param(node, name)
    keys = [] if param is None else _keyed(param, own, account, file)
    if keys:
        return Curve(tuple(Keyframe(at, decimal(one.get("value"), name, file, one.line)) for at, one in keys))
    text = node.get(name) or (param.get("value") if param is not None else "") or "0"
    return still(decimal(text, name, file, node.line))


def _pair(node: Node, name: str, rest: str, own: Fraction, account: Account, file: str) -> tuple[Curve, Curve]:
    param = _param(node, name)
    base = _numbers(
        node.get(name) or (param.get("value") if param is not None else "") or rest, 2, name, file, node.line
    )
    if param is None:
        return still(base[0]), still(base[1])
    keys = _keyed(param, own, account, file)
    if keys:
        values = [_numbers(one.get("value"), 2, name, file, one.line) for _, one in keys]
        across, down = (
            Curve(tuple(Keyframe(at, value[axis]) for (at, _), value in zip(keys, values, strict=True)))
            for axis in (0, 1)
        )
        return across, down
    # Final Cut Pro itself writes the axes as parameters of their own.
    axes = []
    for axis, tag in enumerate(("X", "Y")):
        inner = _param(param, tag)
        keyed = [] if inner is None else _keyed(inner, own, account, file)
        values = tuple(Keyframe(at, decimal(one.get("value"), name, file, one.line)) for at, one in keyed)
        axes.append(Curve(values) if values else still(base[axis]))
    return axes[0], axes[1]


def speed_of(clip: Node, own: Fraction, account: Account, file: str) -> tuple[float, Fraction]:
    """Seconds of media in a second of the timeline, and the second of the media at the clip's first moment."""
    rate = clip.child("conform-rate")
    if rate is not None and rate.get("scaleEnabled", "1") != "0":
        account.add("<conform-rate>: media of another frame rate may run at another speed", rate.line)
    for tag, (attribute, harmless) in HARMLESS.items():
        found = clip.child(tag)
        if found is not None and (found.get(attribute, harmless) not in (harmless, "1") or found.children):
            account.add(f"<{tag}> of a clip", found.line)
    held = clip.child("timeMap")
    if held is None:
        return 1.0, own
    points = sorted(
        (rational(one.get("time"), "time", file, one.line), rational(one.get("value"), "value", file, one.line))
        for one in held.all("timept")
    )
    if len(points) < 2 or points[0][0] == points[-1][0]:
        raise broken("a <timeMap> needs two points in time", str(len(points)), file, held.line)
    if len(points) > 2:
        account.add("speed that changes within a clip: read as an even one", held.line)
    (from_time, from_value), (to_time, to_value) = points[0], points[-1]
    speed = (to_value - from_value) / (to_time - from_time)
    return float(speed), from_value + speed * (own - from_time)
