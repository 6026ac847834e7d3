"""The overview figures of a study, with loss weights that drift and arms that cost differently."""

from dataclasses import replace

from reports.figures.components import ComponentScores
from reports.figures.cost import CostAgainstScore
from reports.figures.curves import LearningCurves
from reports.figures.forest import Forest
from reports.figures.heatmap import DifferencesByComponent
from reports.figures.repeats import ScoresByRepeat
from reports.figures.weights import LossWeights
from reports.summary.build import summarise


def figures(results):
    summary = summarise(results)
    return [
        Forest(summary), ComponentScores(summary), LearningCurves(results), ScoresByRepeat(summary),
        LossWeights(weighted(results)), DifferencesByComponent(summary),
        CostAgainstScore(costly(summary, [100 * (i + 1) for i in range(len(summary.arms))])),
    ]  # fmt: skip


def weighted(results, arms=None):
    """The same results, with weights that drift apart over the epochs in these arms (None: in all)."""
    history = results.history.copy()
    if history.empty:
        return results
    shown = history["arm"].isin(arms) if arms is not None else history["arm"].notna()
    drift = 0.1 * history["epoch"] + 0.02 * history["repeat"]
    history["weight/active"] = (1.0 + drift).where(shown)
    history["weight/scale"] = (1.0 - drift).where(shown)
    return replace(results, history=history)


def costly(summary, costs, scores=None):
    """The same summary with these parameters per arm, and these means; FLOPs and seconds equal in all arms."""
    arms = tuple(
        replace(a, parameters=c, flops=100, seconds=3.0, score=a.score if scores is None else replace(a.score, mean=s))
        for a, c, s in zip(summary.arms, costs, scores or costs, strict=True)
    )
    return replace(summary, arms=arms)
