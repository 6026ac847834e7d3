"""How often does a section of a report say a false word where there is nothing to be found?

    python -m benchmarks.null_sections                     # the table of docs/analyses.md, about ten minutes
    python -m benchmarks.null_sections --studies 100 --only errors

Each study is made up: its scores, and what probes would have measured, are chance alone: every claim is false. The
section is then made as a report makes it, and its words are read. A rate above 5 % by more than two standard errors
ends the command with exit code 1. With overlapping splits all numbers of a study share a term with correlation
n_test / (n_test + n_train) = 1/4, as Nadeau & Bengio 2003 assume; where all repeats test the same items, there is none.

R repeats, S subsets of M modalities.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import get_args

import numpy as np
import pandas as pd

from mmcore.analyses import Absence, build_analysis
from mmcore.answers.answer import Answered, Kind, Result
from mmcore.answers.attention import AttentionResult, Layer, Past, RolloutFaithfulness, Uniform
from mmcore.answers.coalitions import CoalitionsResult, Projection
from mmcore.answers.corruption import CorruptionResult, DamageCurve, DamagedModality, DamageKind, DamageSample
from mmcore.answers.error_analysis import ErrorCondition, ErrorGroup, ErrorsResult
from mmcore.answers.gates import (
    Around,
    Clamping,
    Condition,
    Correlations,
    GateCorrelations,
    GateFaithfulness,
    GateName,
    GateSample,
    GatesResult,
    Held,
    Holding,
    OfComponent,
    Opening,
    Shares,
)  # fmt: skip
from mmcore.answers.parts import Score, ScoreRow
from mmcore.config import Plain, build_config
from mmcore.facts import CorpusFacts, Drawn, Side, SplitFacts
from mmcore.measures import parse_metric
from mmcore.record import Run
from mmcore.seeding import generator
from reports.model.section import Section
from reports.records import long
from reports.records.frame import StudyResults, tidy
from reports.sections.attention import section as attention
from reports.sections.attention.estimates import MEASURES
from reports.sections.corruption import section as corruption
from reports.sections.error_analysis import section as errors
from reports.sections.gates import section as gates
from reports.sections.modalities import section as modalities
from studies.resolved import ResolvedArm, ResolvedStudy

ALPHA, STUDIES = 0.05, 1000
TEST, TRAIN = 8, 24
NAMES = ("audio", "visual", "track")
COMPONENTS = ("active", "scale", "position", "rotation")
DESIGNS: tuple[Drawn, ...] = ("each_repeat", "once")
REPEATS = (8, 12)


@dataclass(frozen=True)
class Chance:
    """Where the numbers of a made-up study come from: repeats of one study may share a term."""

    rng: np.random.Generator
    repeats: int
    shared: float

    def draw(self, *shape: int, deviation: float = 0.02) -> np.ndarray:
        """Numbers of mean 0, (R, …): correlated over repeats by ``shared``."""
        own, common = self.rng.normal(size=(self.repeats, *shape)), self.rng.normal(size=(1, *shape))
        return deviation * (math.sqrt(1 - self.shared) * own + math.sqrt(self.shared) * common)


# Made-up studies -----------------------------------------------------------------------------------------------------
def subsets() -> list[tuple[str, ...]]:
    """All but the empty one, the largest first."""
    return [s for size in range(len(NAMES), 0, -1) for s in combinations(NAMES, size)]


def study_of(arms: Sequence[tuple[str, Plain]], repeats: int, margin: float | None) -> ResolvedStudy:
    """A study of these arms, each compared with the first."""
    resolved = tuple(ResolvedArm(name, {}, build_config({"corpus": "made_up", "model": model})) for name, model in arms)
    return ResolvedStudy(
        name="null", question="Is there anything?", metric=parse_metric("skill"), arms=resolved, reference=arms[0][0],
        pairs=tuple((name, arms[0][0]) for name, _ in arms[1:]), repeats=repeats, alpha=ALPHA, margin=margin,
        preset=None, changes={},
    )  # fmt: skip


def results_of(study: ResolvedStudy, chance: Chance, drawn: Drawn) -> StudyResults:
    """Scores of all arms, and of the predictor that reads nothing: equally good but for chance."""
    level_RC = 0.3 + chance.draw(len(COMPONENTS), deviation=0.05)
    names = [arm.name for arm in study.arms]
    score_RAC = level_RC[:, None] + chance.draw(len(names) + 1, len(COMPONENTS))
    rows = list(_score_rows(names, score_RAC[:, :-1], "arm"))
    baselines = list(_score_rows(["constant"], score_RAC[:, -1:], "baseline"))
    split = SplitFacts(train=Side(TRAIN, TRAIN, TRAIN), test=Side(TEST, TEST, TEST), drawn=drawn)
    corpus = CorpusFacts(modalities=tuple(NAMES), components=tuple(COMPONENTS))
    runs = tuple(
        Run(
            fingerprint=f"{arm.name}{r}", arm=arm.name, repeat=r, status="done", failure=None, epochs=1, best_epoch=1,
            stopped_early=False, steps=1, seconds=1.0, config=arm.config, corpus=corpus, split=split, parameters={},
            flops={}, numerics=1,
        )
        for arm in study.arms for r in range(study.repeats)
    )  # fmt: skip
    empty = tidy(study, [])
    return replace(
        empty,
        runs=runs,
        scores=pd.DataFrame(rows, columns=list(long.SCORE_COLUMNS)),
        baselines=pd.DataFrame(baselines),
        corpus=corpus,
    )


def _score_rows(names: Sequence[str], score_RAC: np.ndarray, column: str) -> Iterator[dict[str, object]]:
    for r, score_AC in enumerate(score_RAC):
        for name, score_C in zip(names, score_AC, strict=True):
            for component, value in ((None, score_C.mean()), *zip(COMPONENTS, score_C, strict=True)):
                yield {
                    column: name, "repeat": r, "split": "test", "items": "all", "metric": "skill",
                    "component": component, "parameter": None, "value": float(value),
                }  # fmt: skip


def score_of(score_C: np.ndarray) -> dict[str, Score]:
    """Skill as probes tell it."""
    return {"skill": Score(whole=score_C.mean(), components=dict(zip(COMPONENTS, score_C.tolist(), strict=True)))}


def rows_of(score_LC: np.ndarray) -> dict[str, ScoreRow]:
    """The same of several levels or subsets."""
    components = {c: tuple(score_L.tolist()) for c, score_L in zip(COMPONENTS, score_LC.T, strict=True)}
    return {"skill": ScoreRow(whole=tuple(score_LC.mean(-1).tolist()), components=components)}


def answered(results: StudyResults, kind: Kind, answer: Callable[[str, int], Result]) -> StudyResults:
    """The results with an answer of every run."""
    made = [
        Answered(arm.name, r, f"{arm.name}{r}", build_analysis({"kind": kind}), answer(arm.name, r))
        for arm in results.study.arms
        for r in range(results.study.repeats)
    ]
    return replace(results, analyses=(*results.analyses, *made))


def two_arms(chance: Chance, drawn: Drawn) -> StudyResults:
    """Two arms that are equally good."""
    study = study_of([("one", {}), ("two", {"width": 64})], chance.repeats, 0.02)
    return results_of(study, chance, drawn)


# One null study of each section --------------------------------------------------------------------------------------
def of_modalities(chance: Chance, drawn: Drawn) -> StudyResults:
    """Models of all subsets that are equally good; masking changes nothing."""
    arms = [("+".join(reads), {"modalities": list(reads)}) for reads in subsets()]
    results = results_of(study_of(arms, chance.repeats, 0.02), chance, drawn)
    whole = results.study.arms[0].name
    score_RSC = 0.3 + chance.draw(1, 1, deviation=0.05) + chance.draw(2 ** len(NAMES), len(COMPONENTS))
    emap_RC = score_RSC[:, -1] + chance.draw(len(COMPONENTS))
    ways: tuple[Absence, ...] = ("permuted", "mean")

    def answer(arm: str, repeat: int) -> CoalitionsResult:
        emap = score_of(emap_RC[repeat])
        return CoalitionsResult(
            modalities=NAMES, components=COMPONENTS, windows=9, draws=8, subsets=tuple(range(2 ** len(NAMES))),
            orders=None, naive=dict.fromkeys(COMPONENTS, 1.0), scores=dict.fromkeys(ways, rows_of(score_RSC[repeat])),
            emap=Projection(corrected=emap, uncorrected=emap), perceptual=None, alone=(), single_donor=False,
            learned=None,
        )  # fmt: skip

    made = answered(results, "coalitions", answer)
    return replace(made, analyses=tuple(one for one in made.analyses if one.arm == whole))


def of_gates(chance: Chance, drawn: Drawn) -> StudyResults:
    """Gates that go with nothing, follow nothing, and can be held for nothing."""
    conditions = [f"condition {i}" for i in range(12)]
    by_arm = {}
    for arm in ("one", "two"):
        by_arm[arm] = (
            chance.draw(len(NAMES) + 1, 3, deviation=0.15), chance.draw(len(NAMES), len(conditions), 2),
            0.3 + chance.draw(3 * len(NAMES) + 2, len(COMPONENTS)),
        )  # fmt: skip

    def answer(arm: str, repeat: int) -> GatesResult:
        rho_R, so_R, score_R = by_arm[arm]
        rho = [Correlations(passing=a, opening=b, norm=c, n=900) for a, b, c in rho_R[repeat].tolist()]
        points = GateCorrelations(gates=dict(zip(NAMES, rho[:-1], strict=True)), together=rho[-1])
        free, *scores = [score_of(row) for row in score_R[repeat]]
        request = [*((name, how) for name in NAMES for how in get_args(Holding)), (None, "mean")]
        opening = Opening(steps=900, present=900, mean=0.5, shut=0.0, open=0.0, norm=1.0, passing=0.5)
        nothing = {c: OfComponent(rho=0.0, increase=0.0) for c in COMPONENTS}
        return GatesResult(
            gates=tuple(GateName(name=m, modalities=(m,)) for m in NAMES),
            places=(NAMES,),
            components=COMPONENTS,
            step=0.1,
            distribution=dict.fromkeys(NAMES, opening),
            shares=Shares(
                steps=900, entropy_opening=0.9, entropy_passing=0.9, passing=dict.fromkeys(NAMES, 1 / len(NAMES))
            ),
            conditions=tuple(
                Condition(
                    condition=c, gate=m, so=0.5 + so_R[repeat, g, i, 0], otherwise=0.5 + so_R[repeat, g, i, 1],
                    steps=(450, 450),
                )
                for g, m in enumerate(NAMES) for i, c in enumerate(conditions)
            ),
            around=Around(lags=(0,), events=0, mean=dict.fromkeys(NAMES, (math.nan,))),
            faithfulness=GateFaithfulness(steps=points, items=points, by_component={m: nothing for m in NAMES}),
            clamping=Clamping(
                free=free,
                held=tuple(
                    Held(gate=gate, held=how, scores=one) for (gate, how), one in zip(request, scores, strict=True)
                ),
            ),
            sample=GateSample(items=8, of_items=8, windows=40, of_windows=40),
            timelines=(),
        )  # fmt: skip

    return answered(two_arms(chance, drawn), "gates", answer)


def of_attention(chance: Chance, drawn: Drawn) -> StudyResults:
    """Attention that follows nothing, in four arms that differ in nothing."""
    study = study_of([(f"arm {i}", {"width": 16 * (i + 1)}) for i in range(4)], chance.repeats, 0.02)
    drawn_of = {arm.name: (chance.draw(4, deviation=0.15), chance.draw(len(MEASURES))) for arm in study.arms}

    def answer(arm: str, repeat: int) -> AttentionResult:
        rho, level = drawn_of[arm][0][repeat].tolist(), drawn_of[arm][1][repeat].tolist()
        layer = Layer(
            place="encoder", layer=0, rows=100, entropy=(0.7 + level[0],), distance=(4.0 + level[1],), own=(0.1,),
            past=(0.9,), events=(0.4 + level[2],), apart=((0.0, 0.4 + level[3]), (0.4 + level[3], 0.0)),
            uniform=Uniform(distance=10.0, own=0.1, past=0.9, events=0.4),
        )  # fmt: skip
        checked = RolloutFaithfulness(
            occlusion=rho[0], gradient=rho[1], nearness=0.0, beyond=rho[2], items=(), span=1, windows=24, reach=None,
            past=Past(rollout=0.5 + rho[3], occlusion=0.5),
        )  # fmt: skip
        return AttentionResult(step=0.1, causal=True, layers=(layer,), flow=(), faithfulness=checked, maps=())

    return answered(results_of(study, chance, drawn), "attention", answer)


def of_corruption(chance: Chance, drawn: Drawn) -> StudyResults:
    """Arms that are no better and no worse than the naive predictors, and that no damage changes."""
    levels, kinds = tuple(np.linspace(0.0, 1.0, 6).tolist()), get_args(DamageKind)
    shape = (len(NAMES), len(kinds), len(levels), len(COMPONENTS))
    drawn_of = {}
    for arm in ("one", "two"):
        # Scores of one run lie close together: what damage changes is less than what training does.
        clean_RC = chance.draw(len(COMPONENTS))
        damaged = clean_RC[:, None, None, None] + chance.draw(*shape, deviation=0.01)
        damaged[:, :, :, 0] = clean_RC[:, None, None]
        drawn_of[arm] = damaged
    naive = {"constant": score_of(np.zeros(len(COMPONENTS)))}

    def answer(arm: str, repeat: int) -> CorruptionResult:
        score = drawn_of[arm][repeat]
        return CorruptionResult(
            sample=DamageSample(digest="a", items=4, windows=8, of=8),
            delay_unit=0.1,
            naive=naive,
            clean=score_of(score[0, 0, 0]),
            modalities={
                name: DamagedModality(
                    present=1.0,
                    curves={
                        kind: DamageCurve(levels=levels, scores=rows_of(score[m, k])) for k, kind in enumerate(kinds)
                    },
                )
                for m, name in enumerate(NAMES)
            },
        )

    return answered(two_arms(chance, drawn), "corruption", answer)


def of_errors(chance: Chance, drawn: Drawn) -> StudyResults:
    """Losses that no condition changes: most of the loss of a run is the same in all groups."""
    conditions = 12
    log_loss = {arm: chance.draw(conditions, 2, len(COMPONENTS), deviation=0.3) for arm in ("one", "two")}
    naive_R = chance.draw(conditions, 2, len(COMPONENTS), deviation=0.3)

    def answer(arm: str, repeat: int) -> ErrorsResult:
        def group(i: int, g: int) -> ErrorGroup:
            loss, naive = (0.8 * np.exp(log_loss[arm][repeat, i, g])).tolist(), np.exp(naive_R[repeat, i, g]).tolist()
            return ErrorGroup(
                group=("no", "yes")[g],
                count=dict.fromkeys(COMPONENTS, 20),
                loss=dict(zip(COMPONENTS, loss, strict=True)),
                naive=dict(zip(COMPONENTS, naive, strict=True)),
            )

        return ErrorsResult(
            naive=dict.fromkeys(COMPONENTS, "constant"),
            conditions=tuple(
                ErrorCondition(name=f"condition {i}", groups=(group(i, 0), group(i, 1))) for i in range(conditions)
            ),
            items={},
            spans={},
            cases=(),
        )

    return answered(two_arms(chance, drawn), "errors", answer)


# What is false -------------------------------------------------------------------------------------------------------
TRUE_WORDS = {
    None, "", "not shown", "not known", "undecided", "not needed", "not used", "apart", "not faithful",
    "correlates, without effect",
}  # fmt: skip
"""Words that claim no effect, which is true here."""
CLAIMS = (
    "wider at steps with", "less at steps with", "That gates move matters", "scores worse by", "scores better by",
    "overstates", "understates", "Steps with an edit get",
)  # fmt: skip
"""Parts of sentences that claim something, whatever the label."""


def false_words(section: Section) -> list[str]:
    """Every false claim of a null study's section: labels, words in tables of words, and sentences."""
    found = [finding.label for finding in section.findings if finding.label not in TRUE_WORDS]
    found += [claim for finding in section.findings for claim in CLAIMS if claim in finding.text]
    for table in section.tables:
        at = {i for i, column in enumerate(table.table.columns) if column in ("useful", "used", "word", "label")}
        if table.name != "rules":
            found += [row[i] for row in table.table.rows for i in at if row[i] not in TRUE_WORDS]
    return found


SECTIONS: dict[str, tuple[Callable[[Chance, Drawn], StudyResults], Callable[[StudyResults], Section | None]]] = {
    "modalities": (of_modalities, modalities.section),
    "gates": (of_gates, gates.section),
    "attention": (of_attention, attention.section),
    "corruption": (of_corruption, corruption.section),
    "errors": (of_errors, errors.section),
}
"""How a null study of a section is made up, and how its section is."""


def rate(name: str, drawn: Drawn, repeats: int, studies: int) -> float:
    """Share of null studies whose section has any false word."""
    make, section_of = SECTIONS[name]
    false = 0
    for i in range(studies):
        rng = generator(repeats, f"null section {name} {drawn}", index=i)
        shared = TEST / (TEST + TRAIN) if drawn == "each_repeat" else 0.0
        section = section_of(make(Chance(rng, repeats, shared), drawn))
        assert section is not None
        false += bool(false_words(section))
    return false / studies


def bound(studies: int) -> float:
    """Alpha and two standard errors of a rate of alpha."""
    return ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / studies)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a rate is above alpha by more than two standard errors."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.null_sections", description="Rates of false words in sections of null studies."
    )
    parser.add_argument("--studies", type=int, default=STUDIES, help="studies a cell")
    parser.add_argument("--only", choices=tuple(SECTIONS), help="one of the sections")
    request = parser.parse_args(arguments)
    print(f"### No effect: share of {request.studies:,} studies with any false word (alpha = {100 * ALPHA:g} %)\n")
    heads = [f"{_design(drawn)}, {n} repeats" for drawn in DESIGNS for n in REPEATS]
    print(f"| section | {' | '.join(heads)} |\n|---|{'--:|' * len(heads)}")
    above = False
    for name in [request.only] if request.only else SECTIONS:
        rates = [rate(name, drawn, n, request.studies) for drawn in DESIGNS for n in REPEATS]
        above |= max(rates) > bound(request.studies)
        print(f"| {name} | {' | '.join(f'{100 * one:.1f} %' for one in rates)} |", flush=True)
    return int(above)


def _design(drawn: Drawn) -> str:
    return "test items drawn by each repeat" if drawn == "each_repeat" else "the same test items"


if __name__ == "__main__":
    sys.exit(main())
