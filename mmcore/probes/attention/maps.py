"""The attention over time in a trace, whichever part of the model made it, in one form, and its sums.

B batch, T steps, M modalities, H heads, Q queries, S keys, N bottleneck tokens of a step, K tracks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcore.answers.attention import Layer, Uniform

ENCODER, HEAD = "encoder", "head"


@dataclass(frozen=True)
class Seen:
    """What a batch and the model say about which steps could be looked at.

    Args:
        modalities: in the order of M. usable_BTM: as the fusion had it: present, or with a learned absence all valid
            steps. valid_BT: steps that exist. causal: whether a query looks at its own and earlier steps only.
    """

    modalities: tuple[str, ...]
    usable_BTM: np.ndarray
    valid_BT: np.ndarray
    causal: bool


@dataclass(frozen=True)
class AttentionMap:
    """The weights of one layer.

    Args:
        place: ``encoder``, ``head``; ``before/audio`` and ``encoder/audio`` where a modality has layers of its own;
            ``audio←visual`` for what audio reads of visual; ``bottleneck/audio``.
        layer: counted from 0 within the place.
        weights_BHQS: softmax rows; NaN where a query may look at nothing.
        allowed_BQS: keys that a query may look at; none for queries that are padded or not usable.
        step_Q, step_S: the step of each query and key.
        token_S: True for bottleneck tokens.
    """

    place: str
    layer: int
    weights_BHQS: np.ndarray
    allowed_BQS: np.ndarray
    step_Q: np.ndarray
    step_S: np.ndarray
    token_S: np.ndarray


def attention_maps(arrays: dict[str, np.ndarray], seen: Seen) -> Iterator[AttentionMap]:
    """Every attention over time in a trace, in the order in which the model computed it.

    Attention between the tracks or modalities of one step does not look over time and is left out.

    Args:
        arrays: of a :class:`mmcore.trace.Trace`. seen: for the same batch.
    """
    for name, weights in arrays.items():
        kind, *rest = name.split("/")
        layer = int(rest[-1]) if rest and rest[-1].isdigit() else 0
        owner = "/".join(rest[:-1])
        match kind:
            case "attention" if owner:
                yield _own(f"{ENCODER}/{owner}", layer, weights, seen, _usable(seen, owner))
            case "attention":
                yield _own(ENCODER, layer, weights, seen, seen.valid_BT)
            case "before":
                yield _own(name.rpartition("/")[0], layer, weights, seen, _usable(seen, owner))
            case "cross_attention":
                target, source = _pair(owner, seen.modalities)
                asks_BT, keys_BT = _usable(seen, target), _usable(seen, source)
                yield _own(f"{target}←{source}", layer, weights, seen, keys_BT, asks_BT)
            case "bottleneck":
                yield _bottleneck(owner, layer, weights, seen)
            case "head" if name.endswith("/over_time"):
                yield _over_tracks(name, weights, seen)
            case _:
                pass


def _usable(seen: Seen, modality: str) -> np.ndarray:
    return seen.usable_BTM[..., seen.modalities.index(modality)]


def _pair(owner: str, modalities: tuple[str, ...]) -> tuple[str, str]:
    """Names may hold slashes, so a pair is looked up, not split."""
    return next((a, b) for a in modalities for b in modalities if a != b and owner == f"{a}/{b}")


def allowed(
    keys_BS: np.ndarray, asks_BQ: np.ndarray, step_Q: np.ndarray, step_S: np.ndarray, causal: bool
) -> np.ndarray:
    """Which keys each query may look at, (B, Q, S) bool."""
    allowed_BQS = keys_BS[:, None, :] & asks_BQ[:, :, None]
    return allowed_BQS & (step_S[None, :] <= step_Q[:, None]) if causal else allowed_BQS


def _own(
    place: str, layer: int, weights: np.ndarray, seen: Seen, keys_BT: np.ndarray, asks_BT: np.ndarray | None = None
) -> AttentionMap:
    """One element a step on both sides; queries that are no keys of their own stream do not count."""
    step_T = np.arange(seen.valid_BT.shape[1])
    allowed_BTT = allowed(keys_BT, keys_BT if asks_BT is None else asks_BT, step_T, step_T, seen.causal)
    return AttentionMap(place, layer, weights, allowed_BTT, step_T, step_T, np.zeros(len(step_T), bool))


def _bottleneck(modality: str, layer: int, weights: np.ndarray, seen: Seen) -> AttentionMap:
    """What a modality's states look at: states of the modality and tokens. What tokens look at is part of the flow."""
    usable_BT, T = _usable(seen, modality), seen.valid_BT.shape[1]
    N = weights.shape[-1] // T - 1
    step_T = np.arange(T)
    step_S = np.concatenate((step_T, step_T.repeat(N)))
    keys_BS = np.concatenate((usable_BT, seen.valid_BT.repeat(N, axis=1)), axis=1)
    return AttentionMap(
        f"bottleneck/{modality}",
        layer,
        weights[:, :, :T],
        allowed(keys_BS, usable_BT, step_T, step_S, seen.causal),
        step_T,
        step_S,
        np.arange(len(step_S)) >= T,
    )


def _over_tracks(name: str, weights: np.ndarray, seen: Seen) -> AttentionMap:
    """What the tokens of a head, K a step, look at over time."""
    *place, layer, _ = name.split("/")
    step_T = np.arange(seen.valid_BT.shape[1])
    K = weights.shape[2] // len(step_T)
    step_Q = step_T.repeat(K)
    # Where each modality predicts by itself, its head reads what that modality could.
    owner = "/".join(place[1:])
    keys_BT = _usable(seen, owner) if owner else seen.valid_BT
    may_BQS = allowed(keys_BT, keys_BT.repeat(K, axis=1), step_Q, step_T, seen.causal)
    return AttentionMap("/".join(place), int(layer), weights, may_BQS, step_Q, step_T, np.zeros(len(step_T), bool))


class HeadSums:
    """What the heads of one layer do, summed over queries as batches go by: its size does not grow with the corpus.

    Args:
        place, layer: of its :class:`AttentionMap`.

    Counted are queries that have a choice, two keys or more. Distances between heads are Jensen–Shannon's, in bits.
    """

    def __init__(self, place: str, layer: int) -> None:
        self.place, self.layer = place, layer
        self.rows = 0
        self.sums: dict[str, np.ndarray] = {}

    def add(self, one: AttentionMap, events_BT: np.ndarray) -> None:
        """Count the layer's weights on one batch.

        Args:
            events_BT: edit events, of all steps.
        """
        B = len(one.weights_BHQS)
        choice_BQ = one.allowed_BQS.sum(-1) >= 2
        self.rows += int(choice_BQ.sum())
        # Rows that count, once for all heads: (n, S), and (H, n, S).
        allowed_nS = one.allowed_BQS[choice_BQ]
        p_HnS = np.moveaxis(one.weights_BHQS, 1, 0)[:, choice_BQ].astype(np.float64)
        keys_n = allowed_nS.sum(-1)
        away_QS = np.abs(one.step_Q[:, None] - one.step_S[None, :])
        past_QS = one.step_S[None, :] < one.step_Q[:, None]
        marks = {
            "distance": away_QS.astype(np.float64)[None],
            "own": ((away_QS == 0) & ~one.token_S)[None],
            "past": (past_QS & ~one.token_S)[None],
            "events": (events_BT[:, one.step_S] & ~one.token_S)[:, None, :],
        }
        if one.token_S.any():
            marks["tokens"] = np.broadcast_to(one.token_S, away_QS.shape)[None]
        self._sum("entropy", (_entropy(p_HnS) / np.log(keys_n)).sum(-1))
        for name, mark in marks.items():
            mark_nS = np.broadcast_to(mark, (B, *away_QS.shape))[choice_BQ]
            self._sum(name, (p_HnS * mark_nS).sum((1, 2)))
            self._sum(f"uniform/{name}", ((mark_nS * allowed_nS).sum(-1) / keys_n).sum())
        self._sum("apart", divergences(p_HnS).sum(-1))

    def _sum(self, name: str, value: Any) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + np.asarray(value)

    def result(self) -> Layer | None:
        """Means over queries; None where no query has a choice."""
        if not self.rows:
            return None
        mean = {name: (value / self.rows).round(4).tolist() for name, value in self.sums.items()}
        uniform = {name.removeprefix("uniform/"): v for name, v in mean.items() if name.startswith("uniform/")}
        heads = {name: v for name, v in mean.items() if not name.startswith("uniform/")}
        return Layer(place=self.place, layer=self.layer, rows=self.rows, uniform=Uniform(**uniform), **heads)


def _entropy(p: np.ndarray) -> np.ndarray:
    """In nats, along the last axis; 0 log 0 is 0."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)


def divergences(p_HnS: np.ndarray) -> np.ndarray:
    """Jensen–Shannon distance between each two heads at each query, in bits: 0 alike, 1 nothing in common.

    Shape: (H, n, S) → (H, H, n). The square root of the divergence, as ``scipy.spatial.distance.jensenshannon``.
    """
    H, n, _ = p_HnS.shape
    found_HHn = np.zeros((H, H, n))
    entropy_Hn = _entropy(p_HnS)
    for i in range(H):
        for j in range(i):
            bits_n = _entropy((p_HnS[i] + p_HnS[j]) / 2) - (entropy_Hn[i] + entropy_Hn[j]) / 2
            found_HHn[i, j] = found_HHn[j, i] = np.sqrt(bits_n.clip(0.0) / np.log(2.0))
    return found_HHn
