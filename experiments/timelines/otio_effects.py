"""Effects of a clip in OpenTimelineIO: speeds, and what editors keep in metadata.

The schema has no transform of its own (0.18). Resolve's ``Transform`` and ``Cropping`` count pan in widths and tilt in
heights of the frame, upwards, angles counterclockwise, and crops in parts of the media.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from experiments.timelines.model import REST, Account, Curve, Keyframe, Rate, still
from experiments.timelines.numbers import broken, decimal, exact
from experiments.timelines.tree import Node
from experiments.timelines.xmeml_filters import Motion
from experiments.timelines.xmeml_filters import motion_of as motion_of_filters

RESOLVE = {
    # parameter: (ours, value at rest, factor)
    "transformationZoomX": ("scale", 0.0, 1.0),
    "transformationPan": ("x", 0.5, 1.0),
    "transformationTilt": ("y", 0.5, -1.0),
    "transformationRotationAngle": ("rotation", 0.0, -1.0),
    "cropLeft": ("crop_l", 0.0, 1.0),
    "cropRight": ("crop_r", 0.0, 1.0),
    "cropTop": ("crop_t", 0.0, 1.0),
    "cropBottom": ("crop_b", 0.0, 1.0),
}
EMPTY = ("Composite", "Lens Correction", "Retime and Scaling", "Video Faders", "Dynamic Zoom")
"""Effects that Resolve writes for each clip, and that do nothing while they have no parameters."""


def motion_of(clip: Mapping[str, Any], rate: Rate, first: Fraction, account: Account, place: str) -> Motion:
    """Transform and speed of a clip; what else its effects do is listed.

    Args:
        rate: the timeline's. first: the second of the media that the clip begins with. place: for messages.

    Raises:
        CorpusError: a value is no number.
    """
    metadata = clip.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    speed, curves = 1.0, {}
    effects = clip.get("effects")
    for one in effects if isinstance(effects, list) else []:
        kind = str(one.get("OTIO_SCHEMA", "")).partition(".")[0] if isinstance(one, Mapping) else ""
        if kind == "LinearTimeWarp":
            speed = decimal(str(one.get("time_scalar", 1)), "time_scalar", place)
        elif kind == "FreezeFrame":
            speed = 0.0
        else:
            resolve = (one.get("metadata") or {}).get("Resolve_OTIO") if isinstance(one, Mapping) else None
            if isinstance(resolve, Mapping):
                curves |= _resolve(resolve, rate, account, place)
            else:
                name = (one.get("effect_name") or kind or "?") if isinstance(one, Mapping) else "?"
                account.add(f"effect '{name}': its form is not known")
    fcp = metadata.get("fcp_xml")
    if isinstance(fcp, Mapping) and fcp.get("filter"):
        node = Node("clipitem", {}, 0, [_node("filter", one) for one in _many(fcp["filter"])])
        found = motion_of_filters(node, rate, rate.frames(first), account, place, None, None)
        curves |= found.curves
        speed = found.speed if found.speed != 1 else speed
    own = metadata.get("mmstudy")
    if isinstance(own, Mapping) and isinstance(own.get("transform"), Mapping):
        # Exact and whole, where other editors' fields have no place for anchors.
        curves |= _own(own["transform"], place)
    return Motion(curves, speed)


def _many(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _node(tag: str, value: object) -> Node:
    """What an adapter made of an element, as the element that it was."""
    node = Node(tag, {}, 0)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if str(key).startswith("@"):
                node.attributes[str(key)[1:]] = str(inner)
            else:
                node.children += [_node(str(key), one) for one in _many(inner)]
    elif value is not None:
        node.text = str(value)
    return node


def _own(values: Mapping[str, Any], place: str) -> dict[str, Curve]:
    found = {}
    for name in REST.curves():
        keys = values.get(name)
        if keys is None:
            continue
        if not isinstance(keys, list) or not keys or not all(isinstance(key, list) and len(key) == 3 for key in keys):
            raise broken("a curve must be a list of [seconds, value, hold]", repr(keys)[:60], place)
        numbers = [(*(decimal(str(part), name, place) for part in key[:2]), bool(key[2])) for key in keys]
        found[name] = Curve(tuple(Keyframe(exact(time), value, hold) for time, value, hold in sorted(numbers)))
    return found


def _resolve(effect: Mapping[str, Any], rate: Rate, account: Account, place: str) -> dict[str, Curve]:
    name = str(effect.get("Effect Name"))
    parameters = [one for one in _many(effect.get("Parameters")) if isinstance(one, Mapping)]
    if not effect.get("Enabled", True):
        if parameters:
            account.add(f"effect '{name}' is switched off")
        return {}
    if name not in ("Transform", "Cropping"):
        if parameters or name not in EMPTY:
            account.add(f"effect '{name}': only Transform and Cropping are read")
        return {}
    found: dict[str, Curve] = {}
    by_id = {str(one.get("Parameter ID")): one for one in parameters}
    for key, one in by_id.items():
        if key in RESOLVE:
            ours, origin, factor = RESOLVE[key]
            found[ours] = _curve(one, origin, factor, rate, place)
        elif key != "transformationZoomY" and one.get("Parameter Value") != one.get("Default Parameter Value"):
            account.add(f"parameter '{key}' of '{name}'")
    across, down = by_id.get("transformationZoomX"), by_id.get("transformationZoomY")
    one = still(1.0)
    pair = [one if zoom is None else _curve(zoom, 0.0, 1.0, rate, place) for zoom in (across, down)]
    if pair[0] != pair[1]:
        account.add("scale that differs across and down: the one across is read")
        found["scale"] = pair[0]
    bezier = [one for one in parameters for key in (one.get("Key Frames") or {}).values() if _eased(key)]
    if bezier:
        account.add("eased movement between keyframes: read as a straight one")
    return found


def _eased(key: object) -> bool:
    return isinstance(key, Mapping) and bool({"InBez", "OutBez"} & set(key))


def _curve(parameter: Mapping[str, Any], origin: float, factor: float, rate: Rate, place: str) -> Curve:
    """Keyframes count frames from the clip's first one."""
    keys = parameter.get("Key Frames")
    found: dict[Fraction, Keyframe] = {}
    for frame, key in keys.items() if isinstance(keys, Mapping) else ():
        number = decimal(str(frame), "a keyframe's frame", place)
        value = key.get("Value") if isinstance(key, Mapping) else key
        time = exact(number) / rate.fps
        found[time] = Keyframe(time, origin + factor * decimal(str(value), "a keyframe's value", place))
    if found:
        return Curve(tuple(found[time] for time in sorted(found)))
    value = parameter.get("Parameter Value")
    return still(origin + factor * decimal(str(value), "a parameter's value", place))
