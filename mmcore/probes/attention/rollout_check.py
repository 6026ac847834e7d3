"""Is attention rollout true? Where it says that the past matters, against what taking the past away does.

B batch, T steps, Q asked steps (T, or 1 where targets belong to items), J spans, M modalities, A asked steps, L lags.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmcore.answers.attention import ItemCorrelations, Past, Reach, RolloutFaithfulness
from mmcore.batch import Batch
from mmcore.probes.attention.maps import Seen
from mmcore.probes.attention.occlusion import NOTHING, gradient_times_input, occlusion, spans_of
from mmcore.probes.rank_correlation import FEWEST, spearman
from mmcore.trained import Trained

SPANS = 50
"""Spans into which a window is cut at most: what a check costs is that many forward passes over its windows."""
ASKED, DRAWS = 5, 3
"""Steps of a window whose gradients are taken, and signed sums of outputs for each."""
LAGS = 15
"""Spans back that are reported one by one."""

MEASURES = ("occlusion", "gradient", "nearness", "beyond")


class RolloutCheck:
    """Rank correlation of rollout with two measures of what matters, over the spans that an output may know.

    A step's own span is left out, because the residual sum alone makes any rollout right there. So attention that
    moves nothing is recognised, however much stays where it is. ``nearness`` is the correlation that a picture
    without any model would get, by saying that near steps matter more; ``beyond`` is what is left of rollout's with
    nearness held fixed (partial rank correlation).
    """

    def __init__(self, trained: Trained) -> None:
        self.trained = trained
        self.spans = spans_of(trained.config.data.steps, SPANS)
        self.per_item = trained.targets.scope == "item"
        self.rho: dict[int, dict[str, list[float]]] = {}
        self.lags = min(LAGS, len(self.spans) - 1)
        self.reach = {name: np.zeros(self.lags) for name in ("rollout", "occlusion")}
        self.reached = 0
        self.past = {name: [0.0, 0.0] for name in ("rollout", "occlusion")}
        self.windows = 0

    def add(self, batch: Batch, seen: Seen, flow_BTT: np.ndarray) -> None:
        """Check the windows of one batch.

        Args:
            batch: on the model's device. seen, flow_BTT: of the same batch, as
            :func:`mmcore.probes.attention.rollout.rollout`.
        """
        trained = self.trained
        effect_BQJ = occlusion(trained.model, batch, trained.targets, self.spans)
        flow_BQT = flow_BTT
        if self.per_item:
            share_BT = seen.valid_BT / np.maximum(seen.valid_BT.sum(1, keepdims=True), 1)
            flow_BQT = np.einsum("bt,bts->bs", share_BT, flow_BTT)[:, None]
        said_BQJ = self._by_span(np.where(flow_BQT < NOTHING, 0.0, flow_BQT))
        gap_QJ, counted_BQJ = self._counted(batch, seen)
        asked = self._asked()
        part_BAT = gradient_times_input(trained.model, batch, asked, DRAWS, trained.config.repeat)

        near_BQJ = np.broadcast_to(-np.abs(gap_QJ), said_BQJ.shape)
        found = {
            "occlusion": _rows(said_BQJ, effect_BQJ, counted_BQJ),
            "gradient": _rows(said_BQJ[:, asked], self._by_span(part_BAT), counted_BQJ[:, asked]),
            "nearness": _rows(near_BQJ, effect_BQJ, counted_BQJ),
        }
        found["beyond"] = _partial(found["occlusion"], _rows(said_BQJ, near_BQJ, counted_BQJ), found["nearness"])
        for b, item in enumerate(batch.item_B.tolist()):
            of_item = self.rho.setdefault(item, {name: [] for name in MEASURES})
            for name, rho_BQ in found.items():
                of_item[name] += rho_BQ[b][~np.isnan(rho_BQ[b])].tolist()
        self.windows += len(batch.item_B)
        if not self.per_item:
            self._add_reach({"rollout": said_BQJ, "occlusion": effect_BQJ}, gap_QJ, counted_BQJ)

    def _asked(self) -> list[int]:
        """Steps spread over the window, each with enough spans before it."""
        if self.per_item:
            return [0]
        first = self.spans[min(FEWEST, len(self.spans) - 1)][0]
        return np.unique(np.linspace(first, self.spans[-1][1] - 1, ASKED).astype(int)).tolist()

    def _by_span(self, x: np.ndarray) -> np.ndarray:
        return np.add.reduceat(x, [first for first, _ in self.spans], axis=-1)

    def _counted(self, batch: Batch, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """How many spans each span lies back, (Q, J), and which count for which output."""
        starts = [first for first, _ in self.spans]
        there_BJ = np.logical_or.reduceat(self._present(batch), starts, axis=-1)
        length, J = self.spans[0][1], len(self.spans)
        if self.per_item:
            return np.zeros((1, J), int), there_BJ[:, None]
        gap_QJ = np.arange(seen.valid_BT.shape[1])[:, None] // length - np.arange(J)
        may_QJ = gap_QJ > 0 if seen.causal else gap_QJ != 0
        return gap_QJ, seen.valid_BT[:, :, None] & there_BJ[:, None] & may_QJ

    def _present(self, batch: Batch) -> np.ndarray:
        """Steps at which there is anything to take away."""
        columns = [batch.modalities.index(name) for name in self.trained.modalities]
        return (batch.present_BTM[..., columns].any(-1) & batch.valid_BT).cpu().numpy()

    def _add_reach(self, shares: dict[str, np.ndarray], gap_QJ: np.ndarray, counted_BQJ: np.ndarray) -> None:
        at_QJL = np.abs(gap_QJ)[..., None] == np.arange(1, self.lags + 1)
        # Early steps have fewer spans behind them: one that lacks any of the lags would bend the curve.
        whole_BQ = np.einsum("bqj,qjl->bql", counted_BQJ, at_QJL).all(-1)
        self.reached += int(whole_BQ.sum())
        own_QJ = gap_QJ == 0
        for name, share_BQJ in shares.items():
            by_lag_nL = np.einsum("bqj,qjl->bql", np.where(counted_BQJ, share_BQJ, 0.0), at_QJL)[whole_BQ]
            total_n1 = by_lag_nL.sum(-1, keepdims=True)
            self.reach[name] += np.divide(by_lag_nL, total_n1, out=np.zeros_like(by_lag_nL), where=total_n1 > 0).sum(0)
            self.past[name][0] += float(np.where(counted_BQJ, share_BQJ, 0.0)[whole_BQ].sum())
            self.past[name][1] += float(np.where(own_QJ, share_BQJ, 0.0)[whole_BQ].sum())

    def result(self) -> RolloutFaithfulness:
        """Means over outputs, then over items; NaN where nothing could be ranked."""
        names = self.trained.data.names
        items = tuple(
            ItemCorrelations(
                item=names[item], outputs=len(rho["occlusion"]), **{name: _mean(rho[name]) for name in MEASURES}
            )
            for item, rho in sorted(self.rho.items())
        )
        # No span is nearer to an item's output than another.
        unknown = {"nearness": math.nan, "beyond": math.nan} if self.per_item else {}
        means = {name: _mean([getattr(item, name) for item in items]) for name in MEASURES}
        shares = {name: tuple((value / max(self.reached, 1)).round(4).tolist()) for name, value in self.reach.items()}
        past = {name: round(past / (past + own), 4) for name, (past, own) in self.past.items() if past + own > 0}
        return RolloutFaithfulness(
            **{**means, **unknown},
            items=items,
            span=self.spans[0][1],
            windows=self.windows,
            reach=Reach(lags=tuple(range(1, self.lags + 1)), **shares) if self.reached else None,
            past=Past(**past) if past else None,
        )


def _rows(a_BQJ: np.ndarray, b_BQJ: np.ndarray, counted_BQJ: np.ndarray) -> np.ndarray:
    B, Q, J = a_BQJ.shape
    return spearman(a_BQJ.reshape(-1, J), b_BQJ.reshape(-1, J), counted_BQJ.reshape(-1, J)).reshape(B, Q)


def _partial(ab: np.ndarray, ac: np.ndarray, bc: np.ndarray) -> np.ndarray:
    """Correlation of a and b with c held fixed; 0 where c leaves nothing of either."""
    left = np.sqrt(((1 - ac**2) * (1 - bc**2)).clip(0.0))
    return np.where(np.isnan(ab), np.nan, np.divide(ab - ac * bc, left, out=np.zeros_like(ab), where=left > 1e-9))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return round(float(np.mean(known)), 4) if known else math.nan
