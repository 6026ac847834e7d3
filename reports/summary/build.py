"""From numbers to verdicts: builds everything that a report says from a study's tidy tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import pandas as pd

from mmcore.errors import RecordError
from mmcore.language import in_one_language, say
from reports.checks import run_checks
from reports.model.report import ArmRow, BaselineRow, ComparisonRow, MeasureRow, MetricFacts, Robust, RunLine, Summary
from reports.model.section import Section
from reports.numbers import prose
from reports.records.frame import StudyResults
from reports.sections.build import sections
from reports.sections.standard import overviews
from reports.statistics.bootstrap import bca, interquartile_mean, mean
from reports.statistics.comparisons import Paired
from reports.statistics.intervals import Estimate, estimate, finite
from reports.statistics.verdicts import decide
from reports.summary.across import across_section
from reports.summary.effects import cost_to_decide, in_original_units
from reports.summary.flips import flips
from reports.summary.looks import looks_text, sequential_facts
from reports.summary.methods import covers_text, families_by_part, families_text
from reports.summary.origin import facts_of, provenance_of
from reports.summary.quality import quality_by_modality, quality_table
from reports.summary.sentences import CORPUS, DATA, paired_means, verdict_text
from reports.summary.setup import setup_of
from reports.verdicts.contrast import contrasts
from reports.verdicts.dominance import dominance_of, dominance_text
from reports.verdicts.item_scores import tested_text, with_new_items
from reports.verdicts.looks import later_claim, later_claim_text
from reports.verdicts.monitoring import Monitoring, by_repeat, compare_in_course, monitoring_of
from reports.verdicts.naive import neither_beats_it

BASELINES = ("persistence", "constant", "majority", "prior")
"""The order of naive predictors; others follow by name."""


@in_one_language
def summarise(results: StudyResults, with_sections: bool = True) -> Summary:
    """Everything that a report of the study says; sections, which take half of the time, only if they are wanted.

    Without any run every verdict is ``too few repeats``.

    Raises:
        RecordError: no run has the study's metric, or it would mix parameters of different units.
    """
    study = results.study
    metric = _metric_facts(results)
    if results.foreign is None or not results.foreign.by_part:
        _check_measured(results, metric)
    components = _components(results, metric)
    nothing = tuple(c for c in components if _all_nan(results, metric.measure, c))
    monitoring = monitoring_of(results)
    by_part = results.foreign is not None and results.foreign.by_part
    primary = [] if by_part else _comparisons(results, metric, [metric.component], monitoring)
    # A single component is the whole: comparing it again would test the same difference twice.
    single = metric.component is None and len(components) == 1
    others = [] if single else [c for c in components if c != metric.component and c not in nothing]
    if by_part:
        by_component = _by_part(results, metric, components)
    else:
        by_component = _comparisons(results, metric, others, monitoring)
    asked = {a.name: study.repeats if monitoring is None else monitoring.repeats(a.name) for a in study.arms}
    arms = tuple(_arm_row(results, metric, components, *of_arm) for of_arm in asked.items())
    baselines = _baselines(results, metric, components)
    seconds = {arm.name: arm.seconds for arm in arms}
    return Summary(
        study=study.name,
        question=say(study.question),
        metric=metric,
        alpha=study.alpha,
        level=1 - study.alpha,
        margin=study.margin,
        repeats=study.repeats,
        first_repeat=study.first_repeat,
        reference=study.reference,
        verdicts=tuple(
            verdict_text(
                row,
                _means(results, metric, row),
                metric,
                alpha=study.alpha,
                margin=study.margin,
                repeats=study.repeats if row.looks is None else row.looks.repeats or row.looks.next or study.repeats,
                components=[c for c in by_component if (c.arm, c.reference) == (row.arm, row.reference)],
                nothing_to_predict=nothing,
                units=in_original_units(results, row.arm, row.reference),
                cost=cost_to_decide(row, seconds),
                lead=_lead(results, row, by_component),
                leaves_open="" if results.foreign is None else results.foreign.leaves_open,
                elsewhere=CORPUS if results.foreign is None else DATA,
            )
            for row in primary
        ),
        checks=run_checks(results, arms, [*primary, *by_component], nothing),
        components=components,
        nothing_to_predict=nothing,
        arms=arms,
        comparisons=(*primary, *by_component),
        baselines=baselines,
        flips=flips(results),
        measures=_measures(results, [b.name for b in baselines]),
        families=_families(results, metric, len(primary), len(by_component), monitoring),
        covers=covers_text(results.overlap, results.drawn) if results.foreign is None else results.foreign.covers,
        missing=dict(results.corpus.missing),
        quality=quality_table(results.quality),
        quality_by_modality=quality_by_modality(results.quality),
        runs=_run_lines(results, metric),
        facts=facts_of(results),
        provenance=provenance_of(results),
        sections=(*overviews(results, metric), *sections(results)) if with_sections else (),
        sequential=None if monitoring is None else sequential_facts(monitoring, primary, arms),
        native=results.foreign is None,
        ran=results.foreign is None or results.foreign.ran,
        part="component" if results.foreign is None else results.foreign.part,
        across=_across(results, metric, by_component, arms) if by_part else None,
        setup=setup_of(results),
        earlier_looks=results.earlier_looks,
    )


def _lead(results: StudyResults, row: ComparisonRow, by_component: Sequence[ComparisonRow]) -> str:
    """What must be read before a verdict's numbers; empty where nothing must."""
    dominance = dominance_text(dominance_of(results, row, by_component))
    return prose(later_claim_text(later_claim(results, row)), dominance)


def _by_part(results: StudyResults, metric: MetricFacts, components: Sequence[str]) -> list[ComparisonRow]:
    """One family for each pair: its comparisons on every data set, in the order of pairs."""
    study, rows = results.study, []
    for pair in study.known_pairs:
        family = contrasts(results, metric.measure, [(pair, part) for part in components])
        decisions = decide(family, alpha=study.alpha, margin=study.margin, higher_is_better=metric.higher_is_better)
        rows += [
            ComparisonRow(
                *pair,
                part,
                paired,
                decision,
                study.margin,
                tested=tested_text(results, part) if results.shared else "",
                native=False,
            )
            for part, paired, decision in zip(components, family, decisions, strict=True)
        ]
    return rows


def _across(
    results: StudyResults, metric: MetricFacts, rows: Sequence[ComparisonRow], arms: Sequence[ArmRow]
) -> Section | None:
    if results.foreign is None or not rows:
        return None
    part, alpha = results.foreign.part, results.study.alpha
    return across_section(rows, arms, part, alpha=alpha, higher_is_better=metric.higher_is_better)


def _families(
    results: StudyResults, metric: MetricFacts, primary: int, by_component: int, monitoring: Monitoring | None
) -> str:
    """How comparisons were corrected, or why there is nothing to compare."""
    if not primary and by_component and results.foreign is not None:
        return families_by_part(results.foreign.part, len(results.study.known_pairs), by_component)
    if primary:
        corrected = families_text(metric, primary, by_component, results.overlap, results.shared, results.paired)
        return prose(corrected, looks_text(monitoring))
    if results.study.to_be_found:
        return say("There is nothing to compare yet: every comparison needs an arm that the search has yet to find.")
    if len(results.study.arms) == 1:
        return say("There is nothing to compare: the study has one arm.")
    return say("There is nothing to compare: the study lists no comparison.")


def _metric_facts(results: StudyResults) -> MetricFacts:
    metric = results.study.metric
    measure, title = metric.measure, say(metric.measure.title)
    return MetricFacts(
        name=metric.name,
        title=title
        if metric.component is None
        else say("{measure} of {component}", measure=title, component=metric.component),
        measure=measure.name,
        component=metric.component,
        meaning=say(measure.meaning),
        higher_is_better=measure.higher_is_better,
        whole=measure.whole,
    )


def _check_measured(results: StudyResults, metric: MetricFacts) -> None:
    if results.scores.empty:
        return
    if not results.has(metric.measure, metric.component):
        names = [f"{c}/{m}" if c else m for m, c, parameter in results.measured if parameter is None]
        raise RecordError(
            f"no run has a score for the study's metric '{metric.name}'",
            found=", ".join(dict.fromkeys(names)),
            next_step="Choose one of these with --metric; nothing has to be trained again",
        )
    parameters = [p for m, c, p in results.measured if (m, c) == (metric.measure, metric.component)]
    units = {results.corpus.units.get(p, "") if p else "" for p in parameters}
    if None not in parameters and len(units) > 1:
        raise RecordError(
            f"metric '{metric.name}' would be a mean over parameters in different units",
            expected="one unit",
            found=", ".join(sorted(unit or "none" for unit in units)),
            next_step="Choose another metric, or give each parameter its own component in corpus.yaml",
        )


def _components(results: StudyResults, metric: MetricFacts) -> tuple[str, ...]:
    """Components for which the metric's measure exists as one number."""
    measured = set(results.measured)
    return tuple(
        c
        for c in results.components
        if (metric.measure, c, None) in measured or (c == metric.component and results.has(metric.measure, c))
    )


def _all_nan(results: StudyResults, measure: str, component: str) -> bool:
    return bool(results.table(measure, component).isna().all(axis=None))


def _comparisons(
    results: StudyResults, metric: MetricFacts, components: Sequence[str | None], monitoring: Monitoring | None
) -> list[ComparisonRow]:
    """One family: the study's pairs on each of the components, without arms that a search has yet to find."""
    study = results.study
    asked = [(pair, component) for component in components for pair in study.known_pairs]
    if monitoring is None:
        family = contrasts(results, metric.measure, asked)
    else:
        family = [_in_course(results, metric, *one, monitoring, len(asked)) for one in asked]
    whole = study.metric.measure.whole
    # The margin is in the metric's unit: it means the same for a component only if the whole is a mean of components.
    comparable = components == [metric.component] or whole == "mean"
    margin = study.margin if comparable else None
    tested = tested_text(results, None) if results.shared else ""
    decisions = decide(family, alpha=study.alpha, margin=margin, higher_is_better=metric.higher_is_better)
    return [
        ComparisonRow(
            *pair,
            component if component != metric.component else None,
            paired,
            decision,
            margin,
            monitoring.looks[pair] if monitoring else None,
            tested,
            neither_beats_it(results, pair, component),
            native=results.foreign is None,
        )
        for (pair, component), paired, decision in zip(asked, family, decisions, strict=True)
    ]


def _in_course(
    results: StudyResults,
    metric: MetricFacts,
    pair: tuple[str, str],
    component: str | None,
    monitoring: Monitoring,
    comparisons: int,
) -> Paired:
    scores = by_repeat(results, metric.measure, component)
    one, other = (scores[name] for name in pair)
    alpha, higher = results.study.alpha, metric.higher_is_better
    paired = compare_in_course(
        monitoring, pair, one, other, alpha=alpha, higher_is_better=higher, comparisons=comparisons
    )
    return with_new_items(results, paired, pair, metric.measure, component, one - other, monitoring)


def _column(table: pd.DataFrame, name: str) -> np.ndarray:
    """An arm's numbers by repeat; all NaN for an arm without a finished run."""
    return table[name].to_numpy(float) if name in table else np.full(len(table), math.nan)


def _means(results: StudyResults, metric: MetricFacts, row: ComparisonRow) -> tuple[float, float]:
    scores = by_repeat(results, metric.measure, metric.component)
    read = slice(row.looks.repeats if row.looks is not None and row.looks.done else None)
    if not results.paired:
        return estimate(scores[row.arm]).mean, estimate(scores[row.reference]).mean
    return paired_means(scores[row.arm][read], scores[row.reference][read])


def _arm_row(results: StudyResults, metric: MetricFacts, components: Sequence[str], name: str, repeats: int) -> ArmRow:
    study, runs = results.study, [run for run in results.runs if run.arm == name]
    done = [run for run in runs if run.done]

    def over_repeats(component: str | None, items: str = "all") -> Estimate:
        table = results.table(metric.measure, component, items)
        return estimate(_column(table, name), 1 - study.alpha, results.overlap)

    score = over_repeats(metric.component)
    return ArmRow(
        name=name,
        reference=name == study.reference,
        score=score,
        complete=over_repeats(metric.component, "complete"),
        components=tuple(over_repeats(c) for c in components),
        n=score.n,
        failed=len(runs) - len(done),
        missing=repeats - len(runs),
        parameters=_first([run.parameters.get("total") for run in runs]),
        flops=_first([run.flops.get("total") for run in runs]),
        seconds=fmean(run.seconds for run in done) if done else math.nan,
        changes=tuple((path, _plain(value)) for path, value in study.arm(name).overrides.items()),
        robust=_robust(_column(results.table(metric.measure, metric.component), name), results),
    )


def _robust(scores_R: np.ndarray, results: StudyResults) -> Robust:
    known, level = finite(scores_R), 1 - results.study.alpha
    middle = float(interquartile_mean(known)) if len(known) else math.nan
    around = [bca(known, level, results.overlap, statistic) for statistic in (mean, interquartile_mean)]
    return Robust(*around[0], middle, *around[1])


def _first(values: Sequence[int | None]) -> int | None:
    """The number that all runs of an arm share: size does not depend on the repeat."""
    return next((v for v in values if v is not None), None)


def _plain(value: object) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, list | tuple) else str(value)


def _baselines(results: StudyResults, metric: MetricFacts, components: Sequence[str]) -> tuple[BaselineRow, ...]:
    found = set(results.baselines["baseline"])
    names = [b for b in BASELINES if b in found] + sorted(found - set(BASELINES))
    return tuple(
        BaselineRow(
            name,
            _baseline_mean(results, name, metric.measure, metric.component),
            tuple(_baseline_mean(results, name, metric.measure, c) for c in components),
        )
        for name in names
    )


def _baseline_mean(
    results: StudyResults, name: str, measure: str, component: str | None, parameter: str | None = None
) -> float:
    table = results.baseline_table(measure, component, parameter)
    return estimate(_column(table, name)).mean


def _measures(results: StudyResults, baselines: Sequence[str]) -> tuple[MeasureRow, ...]:
    """Every measure that was taken, in the order of :data:`MEASURES`, the whole before its components."""
    known = results.measures
    study, units = results.study, results.corpus.units
    with_parameters = {(m, c) for m, c, parameter in results.measured if parameter is not None}
    # A component of one parameter has its error twice, under the component and under the parameter.
    keys = [k for k in results.measured if k[2] is not None or k[:2] not in with_parameters]
    rank = {name: i for i, name in enumerate([*known, *(m for m, _, _ in keys if m not in known)])}
    rows = []
    for measure, component, parameter in sorted(keys, key=lambda k: (rank[k[0]], k[1] is not None)):
        every = results.table(measure, component, "all", parameter)
        complete = results.table(measure, component, "complete", parameter)
        rows.append(
            MeasureRow(
                measure=measure,
                title=say(known[measure].title) if measure in known else measure,
                component=component,
                parameter=parameter,
                unit=units.get(parameter, "") if parameter else "",
                arms=tuple(estimate(_column(every, a.name), 1 - study.alpha, results.overlap) for a in study.arms),
                complete=tuple(
                    estimate(_column(complete, a.name), 1 - study.alpha, results.overlap) for a in study.arms
                ),
                baselines=tuple(_baseline_mean(results, b, measure, component, parameter) for b in baselines),
            )
        )
    return tuple(rows)


def _run_lines(results: StudyResults, metric: MetricFacts) -> tuple[RunLine, ...]:
    table = results.table(metric.measure, metric.component)
    scores = {(arm, repeat): v for arm in table for repeat, v in zip(table.index, _column(table, arm), strict=True)}
    return tuple(
        RunLine(
            arm=run.arm,
            repeat=run.repeat,
            fingerprint=run.fingerprint,
            status=run.status,
            failure=None if run.failure is None else str(run.failure),
            reused_from=run.reused_from(results.study.name),
            seconds=run.seconds,
            score=float(scores.get((run.arm, run.repeat), math.nan)),
        )
        for run in results.runs
    )
