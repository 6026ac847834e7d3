"""Rows a second of tables without times: from the length of the same items in other streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from mmcore.data.guess.times import ASK, Timing, either
from mmcore.language import sentence

USUAL: dict[float, str] = {
    **{float(rate): str(rate) for rate in (1, 2, 4, 5, 8, 10, 12, 15, 16, 20, 24, 25, 30, 32, 40, 48, 50, 60, 64)},
    **{float(rate): str(rate) for rate in (70, 80, 90, 100, 120, 125, 128, 200, 240, 250, 256, 300, 400, 500, 512)},
    **{float(rate): str(rate) for rate in (700, 1000, 1024, 2000, 2048, 8000, 16000, 22050, 32000, 44100, 48000)},
    12.5: "12.5", 62.5: "62.5", 31.25: "31.25", 93.75: "93.75",
    24000 / 1001: "24000/1001", 30000 / 1001: "30000/1001", 60000 / 1001: "60000/1001",
    22050 / 512: "22050/512", 44100 / 512: "44100/512",
}  # fmt: skip
"""Rates of cameras, sensors and common hops of audio features, as corpus.yaml writes them."""
_FEWEST_ITEMS = 3
_LOOSEST = 0.02
"""Relative spread of rows a second over items above which lengths do not belong together."""


@dataclass(frozen=True)
class Rate:
    """Rows a second over all items: the middle, and how far off it may be (relative)."""

    middle: float
    spread: float
    items: int

    @property
    def candidates(self) -> list[float]:
        """Usual rates that fit."""
        return sorted(rate for rate in USUAL if abs(self.middle / rate - 1) <= self.spread)


def resolve_rates(timings: dict[str, Timing]) -> dict[str, Timing]:
    """Give streams of rows their rate, where the other streams of the same items leave one usual rate.

    Where two usual rates fit (29.97 and 30 on short items) the reader is asked: 0.1 % is 0.6 s after ten minutes.

    Args:
        timings: by stream, with units known where they can be.
    """
    found = dict(timings)
    lengths = {name: lengths_of(timing) for name, timing in timings.items() if timing.known}
    dense = {name: of for name, of in lengths.items() if timings[name].form != "segments"}
    for name, timing in timings.items():
        if timing.form != "rows" or timing.known:
            continue
        measured = {other: rate for other, of in (dense or lengths).items() if (rate := _rate(timing, of))}
        found[name] = _choose(name, timing, measured)
    return found


def lengths_of(timing: Timing) -> dict[str, float]:
    """Seconds of each item: to the last time and one step on; of rows their number over the rate."""
    if timing.form == "rows":
        rate = next((rate for rate, text in USUAL.items() if text == timing.sampling_rate), None)
        rate = rate if rate is not None else float(timing.sampling_rate or "nan")
        return {item: span.rows / rate for item, span in timing.spans.items()}
    return {item: timing.length(item) * (timing.factor or 1.0) for item in timing.spans}


def _rate(timing: Timing, lengths: dict[str, float]) -> Rate | None:
    pairs = [(span.rows, lengths[item]) for item, span in timing.spans.items() if lengths.get(item, 0) > 0]
    if len(pairs) < _FEWEST_ITEMS:
        return None
    rates = [rows / length for rows, length in pairs]
    middle = median(rates)
    # A row more or less at each end is never known.
    spread = max(median(abs(rate / middle - 1) for rate in rates), 2 / median(rows for rows, _ in pairs))
    return Rate(middle, spread, len(pairs))


def _choose(name: str, timing: Timing, measured: dict[str, Rate]) -> Timing:
    if not measured:
        return replace(
            timing,
            question=sentence(
                "{name}: how many rows a second? Its files have no times. {write}", name=name, write=_write(None)
            ),
        )
    other = min(measured, key=lambda name: measured[name].spread)
    rate = measured[other]
    why = sentence(
        "{middle:.4g} rows a second (± {spread:.1%}) against the length of {other} in {items} items",
        middle=rate.middle,
        spread=rate.spread,
        other=other,
        items=rate.items,
    )
    fits = rate.candidates
    if rate.spread <= _LOOSEST and len(fits) == 1:
        return replace(timing, sampling_rate=USUAL[fits[0]], reason=why)
    if rate.spread > _LOOSEST:
        why = sentence("{why}; the two do not have the same length", why=why)
    elif fits:
        rates = f"{fits[0]:.5g}"
        for fit in fits[1:]:
            rates = sentence("{rates} and {rate:.5g}", rates=rates, rate=fit)
        why = sentence("{why}, which fits {rates}", why=why, rates=rates)
    else:
        why = sentence("{why}, which is not a usual rate", why=why)
    return replace(
        timing,
        reason=why,
        question=sentence("{name}: how many rows a second? {why}. {write}", name=name, why=why, write=_write(fits)),
    )


def _write(fits: list[float] | None) -> str:
    choices = either([USUAL[fit] for fit in fits[:3]]) if fits else "25"
    return sentence("Write the number in place of {mark}, such as {choices}", mark=ASK, choices=choices)
