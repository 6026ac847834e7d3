"""How numbers are written for people: one place, so that the same number looks the same everywhere."""

from __future__ import annotations

import math

from mmcore.language import counted as counted
from mmcore.language import say

NOTHING = "–"
"""Stands where there is no number."""


def number(value: float | None, signed: bool = False) -> str:
    """About three significant digits after the point, with a real minus sign.

    NaN and None become a dash; an infinite number its sign and ∞.

    Example:
        >>> number(0.41234), number(-12.5), number(15198.9), number(0.00001234)
        ('0.412', '−12.50', '15,199', '1.2e−05')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1000:
        text = f"{value:,.0f}"
    elif size >= 100:
        text = f"{value:.1f}"
    elif size >= 10:
        text = f"{value:.2f}"
    elif size >= 0.001 or size == 0:
        text = f"{value:.3f}"
    elif size >= 0.0001:
        text = f"{value:.5f}"
    else:
        text = f"{value:.1e}"
    if signed and value > 0:
        text = "+" + text
    return text.replace("-", "−")


def two_digits(value: float) -> str:
    """Two digits after the point: what an effect size bears.

    Example:
        >>> two_digits(6.7716), two_digits(-0.5)
        ('6.77', '−0.50')
    """
    return f"{value:.2f}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """An interval in words: ``0.082 to 0.140``; a dash where it is not known."""
    return (
        NOTHING if math.isnan(low) or math.isnan(high) else say("{low} to {high}", low=number(low), high=number(high))
    )


LEVELS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1)
"""Usual levels that a p is compared with."""


def probability(p: float | None, alpha: float | None = None) -> str:
    """A p value with two significant digits, three from 0.1 on.

    There are more where a rounded p would seem to equal alpha or to lie on its other side; so for :data:`LEVELS` too.

    Args:
        p: NaN and None become a dash.
        alpha: the level that the p is compared with; None: only the usual levels.

    Example:
        >>> probability(0.0078125), probability(0.125), probability(0.00001), probability(0.0499)
        ('0.0078', '0.125', 'below 0.0001', '0.0499')
    """
    if p is None or math.isnan(p):
        return NOTHING
    if p < 0.0001:
        return say("below {p}", p="0.0001")
    # What differs from a level by rounding alone is that level.
    sides = [(level, p > level) for level in (*LEVELS, alpha or LEVELS[0]) if not math.isclose(p, level, rel_tol=1e-9)]
    texts = [f"{p:.{digits}g}" for digits in range(2 if p < 0.1 else 3, 12)]
    kept = (text for text in texts if all(float(text) != v and (float(text) > v) == above for v, above in sides))
    return next(kept, texts[-1])


def percent(share: float) -> str:
    """A share in percent without needless digits: ``95 %``, ``99.5 %``."""
    return f"{100 * share:.4g} %"


def count(value: float | None) -> str:
    """A whole number with thousands separators; a dash for None and NaN."""
    return NOTHING if value is None or math.isnan(value) else f"{round(value):,}"


def quantity(value: float | None) -> str:
    """A large count with its power of a thousand: ``5.21 M``, ``1.30 G``."""
    if value is None or math.isnan(value):
        return NOTHING
    for scale, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= scale:
            return f"{value / scale:.2f} {letter}"
    return count(value)


def duration(seconds: float | None) -> str:
    """Seconds as a person says them, everywhere in the same way: the longer, the coarser. A dash for None and NaN.

    Example:
        >>> duration(4.23), duration(42.4), duration(150), duration(900), duration(4000), duration(200_000)
        ('4.2 s', '42 s', '2 min 30 s', '15 min', '1 h 7 min', '2 days')
    """
    if seconds is None or math.isnan(seconds):
        return NOTHING
    if seconds < 9.95:
        return say("{n} s", n=f"{round(seconds, 1):g}")
    whole = round(seconds)
    if whole < 60:
        return say("{n} s", n=whole)
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        if rest and minutes < 10:
            return say("{minutes} min {rest} s", minutes=minutes, rest=rest)
        return say("{minutes} min", minutes=minutes)
    hours, minutes = divmod(round(whole / 60), 60)
    if hours < 48:
        return say("{hours} h {minutes} min", hours=hours, minutes=minutes)
    return say("{days} days", days=f"{hours // 24:,}")


def about(seconds: float) -> str:
    """An estimated time: :func:`duration` of whole seconds, since no estimate is finer.

    Example:
        >>> about(3.4), about(150.2)
        ('3 s', '2 min 30 s')
    """
    return duration(round(seconds))


def listing(names: list[str] | tuple[str, ...]) -> str:
    """Names in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return say("{names} and {last}", names=say(", ").join(names[:-1]), last=names[-1])


def prose(*sentences: str) -> str:
    """Sentences one after another, as the language puts them; empty ones are left out.

    Example:
        >>> prose("One.", "", "Two.")
        'One. Two.'
    """
    text = ""
    for sentence in filter(None, sentences):
        # A sentence of the user's, in Latin letters, is followed by a space in every language.
        if text and text[-1].isascii():
            text = f"{text} {sentence}"
        else:
            text = say("{text} {sentence}", text=text, sentence=sentence) if text else sentence
    return text


def opened(text: str) -> str:
    """A text whose first letter is a capital, as a sentence begins; the rest stays as it is."""
    return text[:1].upper() + text[1:]
