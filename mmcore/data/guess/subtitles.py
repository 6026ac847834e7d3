"""Subtitles, .srt and .vtt, as a table of start, end and text.

Source: SubRip as FFmpeg and VLC read it; WebVTT, W3C Candidate Recommendation of 2019, section 4.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from mmcore.errors import CorpusError

_TIME = r"(?:(\d+):)?([0-5]?\d):([0-5]\d)[.,](\d{1,3})"
_CUE = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_NOT_SPOKEN = ("NOTE", "STYLE", "REGION")


def read_subtitles(path: Path) -> pd.DataFrame:
    """One row a cue: ``start`` and ``end`` in seconds, ``text`` with its lines joined and without tags.

    A file without cues gives an empty table. Cues stay in file order, overlapping ones too.

    Raises:
        CorpusError: a block that is neither a cue nor a comment, or a cue that ends before it starts, with its line.
        OSError, UnicodeDecodeError: the file cannot be read as UTF-8.
    """
    lines = [*path.read_text(encoding="utf-8-sig").splitlines(), ""]
    cues: list[tuple[float, float, str]] = []
    block: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            block.append((number, line))
            continue
        if block and not (len(block) == 1 and block[0][1].strip().isdigit()):
            cue = _cue(path, block)
            if cue is not None:
                cues.append(cue)
        block = []
    return pd.DataFrame(cues, columns=pd.Index(["start", "end", "text"])).astype({"start": float, "end": float})


def _cue(path: Path, block: list[tuple[int, str]]) -> tuple[float, float, str] | None:
    number, first = block[0]
    if number == 1 and first.startswith("WEBVTT"):
        return None
    if first.split(maxsplit=1)[0] in _NOT_SPOKEN:
        return None
    at = 0 if _CUE.match(first) else 1
    found = _CUE.match(block[at][1]) if at < len(block) else None
    if found is None:
        raise CorpusError(
            "a subtitle has a line of times",
            expected="00:00:01,000 --> 00:00:02,500",
            found=repr(block[min(at, len(block) - 1)][1])[:80],
            where=f"{path}:{number}",
        )
    start, end = _seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])
    if end < start:
        raise CorpusError("a subtitle must not end before it starts", found=found[0].strip(), where=f"{path}:{number}")
    return start, end, " ".join(_TAG.sub("", line).strip() for _, line in block[at + 1 :])


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
