"""Where a trained model is wrong: under which conditions, on which items, in which spans.

One pass over the test windows; what is kept does not grow with them, but for one number an item and component.

B batch, T steps, P parameters, C components, G groups, S spans of a window, L steps of a span, I items.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from mmcore.analyses import ErrorsAnalysis
from mmcore.answers.error_analysis import (
    ErrorCondition,
    ErrorGroup,
    ErrorsResult,
    ItemEnds,
    ItemLoss,
    SpanEnds,
    SpanLoss,
    Why,
)
from mmcore.batch import Batch
from mmcore.probes.error_analysis.cases import Chosen, draw_cases
from mmcore.probes.error_analysis.conditions import UNKNOWN, Condition, Conditions
from mmcore.probes.steps import by_component, step_losses
from mmcore.trained import Trained
from mmcore.training.evaluation import MODEL, Naive, Predict, Votes
from mmcore.training.losses import layout_of
from mmcore.training.tally import Tally

SPAN = 20
"""Steps of a span, or a window where that is shorter: two seconds of edits, long enough for a mean."""


def probe_errors(trained: Trained, settings: ErrorsAnalysis) -> ErrorsResult:
    """Losses by condition, the worst and best items and spans, and cases to look at.

    Args:
        trained: a finished run. settings: items and spans that are listed at each end.
    """
    return _Pass(trained, settings.cases, settings.columns).answer()


@dataclass(frozen=True)
class _Span:
    """Some steps of a window of an item, which may lack a modality; losses by predictor and component."""

    window: int
    first: int
    steps: int
    item: str
    complete: bool
    start: int
    losses: dict[str | None, dict[str, float]]


class _Pass:
    """What is gathered while the test windows go by."""

    def __init__(self, trained: Trained, listed: int, columns: Sequence[str] | None = None) -> None:
        self.trained, self.listed = trained, listed
        self.layout = layout_of(trained.targets)
        self.components = trained.targets.components
        self.predictors: dict[str | None, Predict] = {MODEL: trained.predict}
        self.predictors |= {b.name: b.predict for b in trained.baselines}
        data = trained.data
        self.tallies = {name: Tally(data.targets, data.complete, data.deviation_P, False) for name in self.predictors}
        self.conditions = Conditions(trained, columns)
        P = len(trained.targets.parameters)
        sizes = [len(condition.groups) + 1 for condition in self.conditions.all]
        self.loss_GP = {name: [torch.zeros(G, P, dtype=torch.float64) for G in sizes] for name in self.predictors}
        self.count_GP = [torch.zeros(G, P, dtype=torch.float64) for G in sizes]
        self.worst: dict[tuple[str | None, str], list[_Span]] = {}
        self.best: dict[str, list[_Span]] = {}
        self.window = 0
        for batch, outputs in self._scored():
            self._add(batch, outputs)
        self.naive = Naive(trained.baselines, {b.name: self.tallies[b.name] for b in trained.baselines})
        self.chosen = self.naive.chosen()

    def answer(self) -> ErrorsResult:
        return ErrorsResult(
            naive=self.chosen,
            conditions=tuple(self._condition(at) for at in range(len(self.conditions.all))),
            items={component: self._items(component) for component in self.components},
            spans={component: self._spans(component) for component in self.components},
            cases=draw_cases(self.trained, self._cases()),
        )

    def _scored(self) -> Iterator[tuple[Batch, dict[str | None, Tensor]]]:
        """Batches with what each predictor says; for targets of whole items one batch of items, after the vote."""
        targets, items = self.trained.targets, len(self.trained.prepared.items)
        with torch.inference_mode():
            if targets.scope == "step":
                for batch in self.trained.test.batches():
                    yield batch, {name: predict(batch) for name, predict in self.predictors.items()}
                return
            votes = {name: Votes(targets, items) for name in self.predictors}
            for batch in self.trained.test.batches():
                for name, predict in self.predictors.items():
                    votes[name].add(predict(batch), batch)
            results = {name: vote.result() for name, vote in votes.items()}
            yield results[MODEL][1], {name: outputs for name, (outputs, _) in results.items()}

    def _add(self, batch: Batch, outputs: dict[str | None, Tensor]) -> None:
        losses_BTP: dict[str | None, Tensor] = {}
        counts_BTP = torch.zeros(0)
        for name, outputs_BTKO in outputs.items():
            losses_BTP[name], counts_BTP = step_losses(outputs_BTKO, batch, self.layout)
            self.tallies[name].loss_IP.index_add_(0, batch.item_B, losses_BTP[name].sum(1))
            self.tallies[name].count_IP.index_add_(0, batch.item_B, counts_BTP.sum(1))
        for at, code_BT in enumerate(self.conditions.codes(batch)):
            group_N = torch.from_numpy(code_BT - UNKNOWN).flatten()
            self.count_GP[at].index_add_(0, group_N, counts_BTP.flatten(0, 1))
            for name, loss_BTP in losses_BTP.items():
                self.loss_GP[name][at].index_add_(0, group_N, loss_BTP.flatten(0, 1))
        if self.trained.targets.scope == "step":
            self._add_spans(batch, losses_BTP, counts_BTP)
        self.window += len(batch.item_B)

    def _add_spans(self, batch: Batch, losses_BTP: dict[str | None, Tensor], counts_BTP: Tensor) -> None:
        L = min(SPAN, counts_BTP.shape[1])
        count_BSLP = _cut(counts_BTP, L)
        loss_BSC = {
            name: by_component(_cut(loss_BTP, L).sum(2), count_BSLP.sum(2), self.layout).numpy()
            for name, loss_BTP in losses_BTP.items()
        }
        # A mean over few targets is extreme by chance: at least half of the span's steps must count.
        members = self.layout.membership.values()
        counted_BSC = torch.stack([(count_BSLP[..., list(m)].sum(-1) > 0).sum(-1) for m in members], -1).numpy()
        for c, component in enumerate(self.components):
            places = np.argwhere((2 * counted_BSC[..., c] >= L) & np.isfinite(loss_BSC[MODEL][..., c]))
            spans = [
                _Span(
                    self.window + b,
                    s * L,
                    min(L, int(batch.valid_BT[b].sum()) - s * L),
                    self.trained.data.names[int(batch.item_B[b])],
                    self.trained.data.complete[int(batch.item_B[b])],
                    int(batch.start_B[b]) + s * L + self.conditions.ahead,
                    {
                        name: dict(zip(self.components, loss[b, s].tolist(), strict=True))
                        for name, loss in loss_BSC.items()
                    },
                )
                for b, s in places.tolist()
            ]
            for name in self.predictors:
                self.worst[name, component] = _first(
                    spans + self.worst.get((name, component), []), name, component, -1, self.listed
                )
            self.best[component] = _first(spans + self.best.get(component, []), MODEL, component, 1, self.listed)

    def _condition(self, at: int) -> ErrorCondition:
        condition = self.conditions.all[at]
        groups = [self._group(at, g, group) for g, group in enumerate((None, *condition.groups))]
        return ErrorCondition(
            name=condition.name,
            of_items=condition.of_items,
            groups=tuple(group for group in groups if any(group.count.values())),
        )

    def _group(self, at: int, g: int, name: str | None) -> ErrorGroup:
        losses = {who: self._component_losses(who, at, g) for who in self.predictors}
        count_P = self.count_GP[at][g].tolist()
        return ErrorGroup(
            group=name,
            count={c: int(sum(count_P[p] for p in m)) for c, m in self.layout.membership.items()},
            loss={c: rounded(losses[MODEL][c]) for c in self.components},
            naive={c: rounded(self._of_chosen(losses, c)) for c in self.components},
            items=self._tested(self.conditions.all[at], g + UNKNOWN),
        )

    def _tested(self, condition: Condition, code: int) -> tuple[str, ...] | None:
        """Names of the items of a group that have a counted target in the test; None for a condition of steps."""
        if not condition.of_items:
            return None
        counted_I = self.tallies[MODEL].count_IP.sum(1).numpy() > 0
        code_I = self.conditions.code_of_items(condition)
        return tuple(self.trained.data.names[i] for i in np.flatnonzero(counted_I & (code_I == code)).tolist())

    def _component_losses(self, name: str | None, at: int, group: int) -> dict[str, float]:
        sums_11P, counts_11P = self.loss_GP[name][at][group][None, None], self.count_GP[at][group][None, None]
        loss_C = by_component(sums_11P, counts_11P, self.layout)[0, 0]
        return dict(zip(self.components, loss_C.tolist(), strict=True))

    def _of_chosen(self, losses: dict[str | None, dict[str, float]], component: str) -> float:
        """The loss of the naive predictor that is the better one on the whole test side; NaN where none is."""
        name = self.chosen[component]
        return math.nan if name is None else losses[name][component]

    def _items(self, component: str) -> ItemEnds:
        names, model = self.trained.data.names, self.tallies[MODEL]
        known = [
            (model.item_losses(i)[component], names[i], i)
            for i in torch.nonzero(model.count_IP.sum(1))[:, 0].tolist()
            if model.item_counts(i)[component]
        ]

        def listed(order: Sequence[tuple[float, str, int]]) -> tuple[ItemLoss, ...]:
            return tuple(
                ItemLoss(item=name, loss=rounded(loss), naive=rounded(self.naive.item_losses(i)[component]))
                for loss, name, i in order[: self.listed]
            )

        return ItemEnds(worst=listed(sorted(known, key=lambda k: (-k[0], k[1]))), best=listed(sorted(known)))

    def _spans(self, component: str) -> SpanEnds:
        found = {
            why: tuple(
                SpanLoss(
                    item=s.item,
                    start=s.start,
                    steps=s.steps,
                    loss=rounded(s.losses[MODEL][component]),
                    naive=rounded(self._of_chosen(s.losses, component)),
                )
                for s in spans
            )
            for why, _, spans in self._extremes(component)
        }
        return SpanEnds(**found)

    def _extremes(self, component: str) -> list[tuple[Why, str | None, list[_Span]]]:
        """Why spans are looked at, by whose loss, and those spans."""
        naive = self.chosen[component]
        return [
            ("hardest", naive, [] if naive is None else self.worst.get((naive, component), [])),
            ("worst", MODEL, self.worst.get((MODEL, component), [])),
            ("best", MODEL, self.best.get(component, [])),
        ]

    def _cases(self) -> list[Chosen]:
        """Of each component the hardest span for the naive predictor, which all arms share, the worst and the best."""
        cases = []
        for component in self.components:
            for why, who, spans in self._extremes(component):
                for s in spans[:1]:
                    losses = rounded(s.losses[MODEL][component]), rounded(self._of_chosen(s.losses, component))
                    cases.append(Chosen(component, why, who, s.window, s.first, s.steps, *losses))
        return cases


def _cut(x_BTP: Tensor, L: int) -> Tensor:
    """(B, S, L, P): the steps in spans of L, the last one filled up with zeros."""
    return pad(x_BTP, (0, 0, 0, -x_BTP.shape[1] % L)).unflatten(1, (-1, L))


def _first(spans: list[_Span], who: str | None, component: str, sign: int, keep: int) -> list[_Span]:
    """The spans with the highest (sign −1) or lowest losses; ties by item, then by start.

    Of a naive predictor's those of complete items come first: they are looked at, and there is more to see in them.
    """
    known = [s for s in spans if math.isfinite(s.losses[who][component])]
    last = [who is not MODEL and not s.complete for s in known]
    order = sorted(
        zip(last, known, strict=True), key=lambda k: (k[0], sign * k[1].losses[who][component], k[1].item, k[1].start)
    )
    return [span for _, span in order[:keep]]


def rounded(value: float) -> float:
    """Five significant digits; NaN for what is not finite."""
    return float(f"{value:.5g}") if math.isfinite(value) else math.nan
