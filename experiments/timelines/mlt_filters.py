"""Kdenlive's Transform (qtblend), Position and Zoom (affine) and Crop of a clip; all other filters are listed."""

from __future__ import annotations

from experiments.timelines.mlt_values import clock_frames, curve, keyed, properties_of
from experiments.timelines.model import Account, Curve, Keyframe, Rate, Transform
from experiments.timelines.numbers import broken
from experiments.timelines.tree import Node

SIDES = (("left", "crop_l", 0), ("right", "crop_r", 0), ("top", "crop_t", 1), ("bottom", "crop_b", 1))
SOUND = ("volume", "panner", "audiolevel", "avfilter.loudnorm", "channelcopy")


def transform_of(
    filters: list[Node], first: int, size: tuple[int, int], rate: Rate, account: Account, file: str
) -> Transform:
    """What the filters of an entry do.

    Args:
        first: the frame of the media that the entry begins with. size: of the profile, pixels. account: gets what is
            left out.

    Raises:
        CorpusError: a value that is no number; says on which line.
    """
    curves: dict[str, Curve] = {}
    for node in filters:
        named = properties_of(node)
        service = named.get("mlt_service") or node.get("mlt_service")
        name = named.get("kdenlive_id") or service
        begin = node.get("in")
        offset = (clock_frames(begin, rate, file, node.line) if begin else 0) - first
        if named.get("disable") == "1":
            account.add(f"filter '{name}' is switched off", node.line)
            continue
        match service:
            case "qtblend":
                if named.get("rotate_center", "0") != "1" and _turns(named.get("rotation", "")):
                    account.add("rotation about a corner: read as one about the centre", node.line)
                curves |= _rectangle(node, named.get("rect", ""), offset, size, rate, account, file)
                curves |= _turned(node, named.get("rotation", ""), offset, rate, account, file)
            case "affine":
                rect = named.get("transition.rect") or named.get("transition.geometry") or ""
                curves |= _rectangle(node, rect, offset, size, rate, account, file)
                curves |= _turned(node, named.get("transition.fix_rotate_x", ""), offset, rate, account, file)
            case "crop":
                if named.get("center") == "1":
                    account.add("filter 'crop' to a shape around the centre", node.line)
                    continue
                for side, column, axis in SIDES:
                    keys = keyed(named.get(side) or "0", 1, offset, rate, account, file, node.line)
                    curves[column] = curve(keys, 0, 1 / size[axis])
            case _ if service in SOUND or named.get("kdenlive:audio") == "1":
                continue
            case _:
                account.add(f"filter '{name}': only Transform, Position and Zoom, and Crop are read", node.line)
    return Transform.of(curves)


def _turns(text: str) -> bool:
    return any(part.rpartition("=")[2].strip() not in ("", "0") for part in text.split(";"))


def _turned(node: Node, text: str, offset: int, rate: Rate, account: Account, file: str) -> dict[str, Curve]:
    return {"rotation": curve(keyed(text, 1, offset, rate, account, file, node.line), 0, 1.0)} if text else {}


def _rectangle(
    node: Node, text: str, offset: int, size: tuple[int, int], rate: Rate, account: Account, file: str
) -> dict[str, Curve]:
    """Scale and centre from left, top, width and height in pixels."""
    if not text:
        return {}
    if "%" in text:
        account.add("rectangle in percent", node.line)
        return {}
    keys = keyed(text, 4, offset, rate, account, file, node.line)
    wide, tall = size
    if any(not (values[2] > 0 and values[3] > 0) for _, values, _ in keys):
        raise broken("a rectangle must have a width and a height", repr(text[:60]), file, node.line)
    if any(abs(values[2] / wide - values[3] / tall) > 1 / min(size) for _, values, _ in keys):
        account.add("scale that differs across and down: the one across is read", node.line)
    return {
        "scale": curve(keys, 2, 1 / wide),
        "x": Curve(tuple(Keyframe(at, (v[0] + v[2] / 2) / wide, hold) for at, v, hold in keys)),
        "y": Curve(tuple(Keyframe(at, (v[1] + v[3] / 2) / tall, hold) for at, v, hold in keys)),
    }
