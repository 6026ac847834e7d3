"""The numbers behind the section on gates, as tables."""

from __future__ import annotations

from reports.analyses.gating import Gating
from reports.numerals import percent
from reports.sections import SectionTable, Table, plain_table


def gate_tables(gating: Gating) -> tuple[SectionTable, ...]:
    """All of them, every arm with gates in each."""
    level = percent(gating.level)
    return (
        SectionTable(
            "faithfulness",
            "Rank correlation of what a gate shows with what is lost without the modality: means over repeats, "
            f"{level} interval of gate × norm. Modality 'all': points of all modalities in one row.",
            _faithfulness_table(gating),
        ),
        SectionTable(
            "distribution",
            "How far gates open, over features and the test steps at which they have a choice: means over repeats.",
            _distribution_table(gating),
        ),
        SectionTable(
            "clamping",
            "How much skill falls with a gate held shut (0), at its mean by feature, or open (1): mean over repeats "
            f"with its {level} interval; by component the loss in units of the naive loss.",
            _clamping_table(gating),
        ),
        SectionTable(
            "conditions",
            f"Mean gate while something is so and while not: means over repeats, {level} interval of the difference, "
            "p of its t-test after Holm over the conditions of a gate.",
            _conditions_table(gating),
        ),
        SectionTable(
            "components",
            "By component: what is lost at a step without the modality, in units of the naive loss, and its rank "
            f"correlation with gate × norm; means over repeats with {level} intervals.",
            _components_table(gating),
        ),
    )


def _faithfulness_table(gating: Gating) -> Table:
    rows = []
    for arm in gating.arms:
        for by in dict.fromkeys((gating.by(arm), "items")):
            for modality in (*gating.modalities(arm), None):
                b = gating.belief(arm, modality, by)
                rho = b.passing.correlation
                rows.append((
                    arm, modality or "all", by.removesuffix("s"), b.label, rho.mean, rho.low, rho.high,
                    b.opening.correlation.mean, b.norm.mean, rho.n,
                ))  # fmt: skip
    columns = (
        "arm", "modality", "point", "label", "gate × norm", "low", "high", "gate alone", "norm alone", "repeats",
    )  # fmt: skip
    return plain_table(columns, rows)


def _distribution_table(gating: Gating) -> Table:
    kept = ("mean", "deviation", "deviation_over_steps", "shut", "open", "between_inputs", "norm", "passing")
    rows = []
    for arm in gating.arms:
        for modality in gating.modalities(arm):
            values = [gating.distribution(arm, modality, what) for what in kept]
            quantiles = [gating.quantile(arm, modality, i).mean for i in range(5)]
            means = [e.mean for e in values]
            share = gating.share(arm, modality).mean
            rows.append((arm, modality, values[0].n, *means[:3], *quantiles, *means[3:], share))
    columns = (
        "arm", "modality", "repeats", "mean", "deviation", "deviation over steps", "5 %", "25 %", "50 %", "75 %",
        "95 %", "shut (below 0.05)", "open (above 0.95)", "share of variance between inputs", "norm", "gate × norm",
        "share of what passes",
    )  # fmt: skip
    return plain_table(columns, rows)


def _clamping_table(gating: Gating) -> Table:
    components = gating.first(gating.arms[0])["components"]
    rows = []
    for arm in gating.arms:
        asked = [(gate, held) for gate in gating.modalities(arm) for held in ("shut", "mean", "open")]
        for gate, held in (*asked, (None, "mean")):
            e = gating.clamping(arm, gate, held)
            parts = [gating.clamping(arm, gate, held, component).mean for component in components]
            rows.append((arm, gate or "all", held, e.mean, e.low, e.high, *parts, e.n))
    return plain_table(("arm", "gate", "held", "fall of skill", "low", "high", *components, "repeats"), rows)


def _conditions_table(gating: Gating) -> Table:
    rows = []
    for arm in gating.arms:
        for modality in gating.modalities(arm):
            for d in gating.differences(arm, modality):
                told = (d.so.mean, d.otherwise.mean, d.difference.mean, d.difference.low, d.difference.high, d.p_holm)
                rows.append((arm, modality, d.condition, *told, d.difference.n))
    columns = (
        "arm", "modality", "condition", "gate while so", "else", "difference", "low", "high", "p after Holm", "repeats",
    )  # fmt: skip
    return plain_table(columns, rows)


def _components_table(gating: Gating) -> Table:
    rows = []
    for arm in gating.arms:
        for modality in gating.modalities(arm):
            for component in gating.first(arm)["components"]:
                lost = gating.component(arm, modality, component, "increase")
                rho = gating.component(arm, modality, component, "rho")
                told = (lost.mean, lost.low, lost.high, rho.mean, rho.low, rho.high, rho.n)
                rows.append((arm, modality, component, *told))
    columns = ("arm", "modality", "component", "lost", "low", "high", "ρ", "ρ low", "ρ high", "repeats")
    return plain_table(columns, rows)
