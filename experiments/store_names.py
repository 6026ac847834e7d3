"""Names as the tracking store takes them."""

from __future__ import annotations

import re

from mmcore.scores import Score


def key_of(name: str) -> str:
    """A name as the store takes it for the key of a metric, parameter or tag.

    Letters, digits and ``_-. :/`` stay; a plus sign, which joins modalities, becomes a word; all else its code point.

    Example:
        >>> key_of("mmstudy.verdict.audio+visual"), key_of("size (%)")
        ('mmstudy.verdict.audio and visual', 'size :28::25::29:')
    """
    return re.sub(r"[^\w\-. :/]", lambda found: f":{ord(found[0]):x}:", name.replace("+", " and "))


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
