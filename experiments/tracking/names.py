"""Names as the tracking store takes them: keys of metrics, parameters and tags."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TypeVar

from mmcore.scores import Score

T = TypeVar("T")
LONGEST_KEY = 250
"""Characters that MLflow takes at most in the key of a metric, parameter or tag, and in the name of a run."""
LONGEST_TEXT = 5000
"""Characters that MLflow takes at most in a tag's value."""
LARGEST_BATCH = 900
"""MLflow takes at most 1,000 metrics, parameters and tags a request."""


def key_of(name: str) -> str:
    """A name as the store takes it for the key of a metric, parameter or tag.

    Letters, digits and ``_-. :/`` stay; a plus sign, which joins modalities, becomes a word; all else its code point.
    MLflow reads a key as a path, so a part that is empty, ``.`` or ``..`` becomes code points, too. A key that is too
    long ends in a digest of the whole name.

    Example:
        >>> key_of("mmstudy.verdict.audio+visual"), key_of("size (%)"), key_of("../x")
        ('mmstudy.verdict.audio and visual', 'size :28::25::29:', ':2e::2e:/x')
    """
    plain = re.sub(r"[^\w\-. :/]", lambda found: _code(found[0]), name.replace("+", " and "))
    key = "/".join(":2f:" if not part else part if part.strip(".") else _code(part) for part in plain.split("/"))
    return short(key)


def short(name: str) -> str:
    """A name of a run, an experiment or a key, as long as the store takes; a longer one ends in a digest of it all."""
    if len(name) <= LONGEST_KEY:
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{name[: LONGEST_KEY - len(digest) - 1]}-{digest}"


def _code(characters: str) -> str:
    return "".join(f":{ord(one):x}:" for one in characters)


def score_name(score: Score) -> str:
    """A score as a metric name: ``test/skill``, ``test/active/f1``, ``test/complete/skill``, ``…/baseline/prior``."""
    parts = [score.split]
    if score.items != "all":
        parts.append(score.items)
    parts += [part for part in (score.component, score.parameter) if part]
    parts.append(score.metric)
    if score.baseline:
        parts += ["baseline", score.baseline]
    return "/".join(parts)


def chunks(values: list[T], size: int) -> Iterator[list[T]]:
    """The values in their order, so many at a time as one request takes."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
