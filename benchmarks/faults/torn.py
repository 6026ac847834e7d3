"""Files of a home that are torn, as after a power cut: cut off, empty, or in part zeros or noise."""

from __future__ import annotations

import random
from pathlib import Path

PATTERNS = {
    "record": "runs/*/record.json",
    "history": "runs/*/history.json",
    "config": "runs/*/config.json",
    "normalisation": "runs/*/normalisation.json",
    "items": "runs/*/items.csv",
    "checkpoint": "runs/*/checkpoints/*.pt",
    "answer": "runs/*/analyses/*.json",
    "scores": "runs/*/work/*",
    "store": "prepared/*/*",
    "journal": "search/*.journal",
    "report": "reports/*/*.*",
    "request": "asked/*.json",
    "timings": "timings.jsonl",
}
"""Kinds of files, where they lie in a home. Databases see to their own files."""


def tear(home: Path, rng: random.Random) -> str | None:
    """Tear one file, or all of its kind; returns what was done, None where there is no file yet."""
    there = {kind: sorted(home.glob(pattern)) for kind, pattern in PATTERNS.items()}
    kinds = [kind for kind, paths in there.items() if any(path.is_file() for path in paths)]
    if not kinds:
        return None
    kind = rng.choice(kinds)
    paths = [path for path in there[kind] if path.is_file()]
    chosen = paths if rng.random() < 0.3 else [rng.choice(paths)]
    ways = [_tear(path, kind, rng) for path in chosen]
    names = chosen[0].relative_to(home).as_posix() + (f" and {len(chosen) - 1} more" if len(chosen) > 1 else "")
    return f"{kind} torn: {names}: {ways[0]}"


def _tear(path: Path, kind: str, rng: random.Random) -> str:
    data = path.read_bytes()
    cut = rng.randrange(len(data)) if data else 0
    match rng.choice(["cut", "cut", "empty", "zeros", "noise"]):
        case "cut":
            path.write_bytes(data[:cut])
            return f"cut after {cut} of {len(data)} bytes"
        case "empty":
            path.write_bytes(b"")
            return "empty"
        case "zeros":
            # What was never written reaches to the end.
            path.write_bytes(data[:cut] + bytes(len(data) - cut))
            return f"zeros from {cut} of {len(data)} bytes"
        case _:
            size = min(len(data) - cut, rng.choice([64, 512, 4096]))
            path.write_bytes(data[:cut] + rng.randbytes(size) + data[cut + size :])
            return f"{size} bytes of noise at {cut} of {len(data)}"
