"""The numbers behind the section on gates, as tables."""

from __future__ import annotations

from typing import get_args

from mmcore.answers.gates import Holding
from mmcore.language import later, say
from reports.model.section import SectionTable, Table, Word, plain_table
from reports.numbers import percent
from reports.sections.gates.estimates import EDIT, LABEL_CHANGE, Gating, OpeningNumber
from reports.sections.yardstick import ALL

_HELD: dict[Holding, str] = {"shut": later("held shut"), "mean": later("mean"), "open": later("held open")}
"""What a gate is held at."""


def gate_tables(gating: Gating) -> tuple[SectionTable, ...]:
    """All of them, every arm with gates in each."""
    level = percent(gating.level)
    return (
        SectionTable(
            "faithfulness",
            say(
                "Rank correlation of what a gate shows with what is lost without the modality behind it: means over "
                "repeats, {level} interval of gate × norm. Gate '{all}': points of all gates in one row.",
                level=level,
                all=ALL.shown,
            ),
            _faithfulness_table(gating),
        ),
        SectionTable(
            "distribution",
            say(
                "How far gates open, over features and the test steps at which they have a choice: means over repeats. "
                "The share of what passes is the share among the gates at one place: those of all modalities, or the "
                "two of a pair."
            ),
            _distribution_table(gating),
        ),
        SectionTable(
            "clamping",
            say(
                "What it costs in {metric} to hold a gate shut (0), at its mean by feature, or open (1): "
                "mean over repeats with its {level} interval, and the mean by component. Above 0: the score is worse.",
                metric=gating.yardstick.title,
                level=level,
            ),
            _clamping_table(gating),
        ),
        SectionTable(
            "conditions",
            say(
                "Mean gate while a condition holds and while not: means over repeats, {level} interval of the "
                "difference, p of its t-test corrected for all conditions, gates and arms.",
                level=level,
            ),
            _conditions_table(gating),
        ),
        SectionTable(
            "components",
            say(
                "By component: what is lost at a step without the modality behind a gate, in units of the naive loss, "
                "and its rank correlation with gate × norm; means over repeats with {level} intervals.",
                level=level,
            ),
            _components_table(gating),
        ),
    )


def _faithfulness_table(gating: Gating) -> Table:
    rows = []
    for arm in gating.arms:
        for by in dict.fromkeys((gating.by(arm), "items")):
            for gate in (*gating.gates(arm), None):
                b = gating.belief(arm, gate, by)
                rho = b.passing.correlation
                rows.append((
                    arm, gate or ALL, Word(by.removesuffix("s")), b.label, rho.mean, rho.low, rho.high,
                    b.opening.correlation.mean, b.norm.mean, b.effect.cost.mean, b.effect.cost.low, b.effect.cost.high,
                    rho.n,
                ))  # fmt: skip
    columns = (
        "arm", "gate", "point", "label", later("gate × norm"), "low", "high", "gate alone", "norm alone",
        "cost of holding", "cost low", "cost high", "repeats",
    )  # fmt: skip
    return plain_table(columns, rows)


def _distribution_table(gating: Gating) -> Table:
    kept = get_args(OpeningNumber)
    rows = []
    for arm in gating.arms:
        for gate in gating.gates(arm):
            values = [gating.distribution(arm, gate, what) for what in kept]
            quantiles = [gating.quantile(arm, gate, i).mean for i in range(5)]
            means = [e.mean for e in values]
            share = gating.share(arm, gate).mean
            rows.append((arm, gate, values[0].n, *means[:3], *quantiles, *means[3:], share))
    columns = (
        "arm", "gate", "repeats", "mean", "standard deviation", later("standard deviation over steps"),
        "5 %", "25 %", "50 %", "75 %",
        "95 %", later("shut (below 0.05)"), later("open (above 0.95)"), later("share of variance between inputs"),
        "norm", "gate × norm", later("share of what passes"),
    )  # fmt: skip
    return plain_table(columns, rows)


def _clamping_table(gating: Gating) -> Table:
    components = [c for c in gating.first(gating.arms[0]).components if c != gating.yardstick.component]
    components = [c for c in components if any(gating.clamping(a, None, "mean", c).n for a in gating.arms)]
    rows = []
    for arm in gating.arms:
        asked: list[tuple[str | None, Holding]] = [(g, held) for g in gating.gates(arm) for held in get_args(Holding)]
        for gate, held in [*asked, (None, "mean")]:
            e = gating.clamping(arm, gate, held)
            parts = [gating.clamping(arm, gate, held, component).mean for component in components]
            rows.append((arm, gate or ALL, Word(held, _HELD[held]), e.mean, e.low, e.high, *parts, e.n))
    return plain_table(("arm", "gate", "held", "cost", "low", "high", *components, "repeats"), rows)


def _conditions_table(gating: Gating) -> Table:
    rows = []
    for arm in gating.arms:
        for gate in gating.gates(arm):
            for d in gating.differences(arm, gate):
                means = (d.so.mean, d.otherwise.mean, d.difference.mean, d.difference.low, d.difference.high)
                rows.append(
                    (
                        arm,
                        gate,
                        Word(d.condition) if d.condition in (EDIT, LABEL_CHANGE) else d.condition,
                        *means,
                        d.p_holm,
                        d.difference.n,
                    )
                )
    columns = (
        "arm", "gate", "condition", later("gate while so"), "else", "difference", "low", "high", "p", "repeats",
    )  # fmt: skip
    return plain_table(columns, rows)


def _components_table(gating: Gating) -> Table:
    rows = []
    for arm in gating.arms:
        for gate in gating.gates(arm):
            for component in gating.first(arm).components:
                lost = gating.component_increase(arm, gate, component)
                rho = gating.component_rho(arm, gate, component)
                numbers = (lost.mean, lost.low, lost.high, rho.mean, rho.low, rho.high, rho.n)
                rows.append((arm, gate, component, *numbers))
    columns = ("arm", "gate", "component", "lost", "low", "high", "ρ", "ρ low", "ρ high", "repeats")
    return plain_table(columns, rows)
