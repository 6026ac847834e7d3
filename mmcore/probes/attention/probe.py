"""Where attention looks, how modalities flow together, and whether what it shows is what the model uses.

B batch, T steps, M modalities, Q queries, S keys, W windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmcore.analyses import AttentionAnalysis
from mmcore.answers.attention import AttentionResult, Map, RolloutFaithfulness, Window
from mmcore.batch import Batch
from mmcore.probes.attention.flow import FlowSums, reading
from mmcore.probes.attention.maps import ENCODER, AttentionMap, HeadSums, Seen, attention_maps
from mmcore.probes.attention.rollout import rollout
from mmcore.probes.attention.rollout_check import RolloutCheck
from mmcore.probes.events import edit_events
from mmcore.trace import Trace
from mmcore.trained import Trained

CHECKED = 24
"""Windows on which rollout is checked, at most: two of each of the quick corpus's test items."""
FINEST = 50
"""Steps to a side of a map that is kept; of a longer window neighbours are taken together."""
MOST_MAPS = 6
"""Maps of one window, rollout among them."""


def probe_attention(trained: Trained, settings: AttentionAnalysis) -> AttentionResult:
    """What attention does on the test windows, and how far its picture can be believed.

    Statistics are sums over windows as they go by, so memory does not grow with the corpus.
    """
    layers: dict[tuple[str, int], HeadSums] = {}
    flow = FlowSums()
    for batch in trained.test.batches():
        arrays, seen, read = traced(trained, batch)
        events_BT = edit_events(batch, trained.targets, trained.task).numpy()
        for one in attention_maps(arrays, seen):
            layers.setdefault((one.place, one.layer), HeadSums(one.place, one.layer)).add(one, events_BT)
        flow.add(arrays, seen, read)
    return AttentionResult(
        step=trained.schema.step,
        causal=trained.model.causal,
        layers=tuple(row for sums in layers.values() if (row := sums.result())),
        flow=flow.result(),
        faithfulness=check_rollout(trained) if layers else None,
        maps=_maps(trained, settings.maps) if layers else (),
    )


def traced(trained: Trained, batch: Batch) -> tuple[dict[str, np.ndarray], Seen, dict[Any, np.ndarray]]:
    """A forward pass that shows its internals, what could be looked at, and what cross-modal layers read."""
    trace = Trace()
    with torch.inference_mode(), reading(trained.model) as read:
        trained.model(batch.to(trained.device), trace=trace)
    valid_BT, present_BTM = batch.valid_BT.cpu().numpy(), trace.arrays["present"]
    learned = trained.config.model.absence == "learned"
    usable_BTM = np.broadcast_to(valid_BT[..., None], present_BTM.shape) if learned else present_BTM
    return trace.arrays, Seen(trained.modalities, usable_BTM, valid_BT, trained.model.causal), read


def check_rollout(trained: Trained) -> RolloutFaithfulness:
    """Rollout against what matters, on a few windows of each test item."""
    check = RolloutCheck(trained)
    for batch in trained.test.batches(_spread(trained, CHECKED)):
        arrays, seen, _ = traced(trained, batch)
        check.add(batch.to(trained.device), seen, rollout(arrays, seen))
    return check.result()


def _positions(trained: Trained) -> np.ndarray:
    """Steps of each test window that have a target."""
    _, _, start_W, high_W = trained.test.table_W4.T
    return np.minimum(trained.test.window, high_W - trained.test.ahead - start_W)


def _spread(trained: Trained, most: int) -> np.ndarray:
    """Windows, equally many of each test item, or one of items spread over them; the longest of an item first."""
    item_W, positions_W = trained.test.table_W4[:, 0], _positions(trained)
    order = np.lexsort((np.arange(len(item_W)), -positions_W))
    first_W = [order[item_W[order] == item] for item in np.unique(item_W)]
    if len(first_W) > most:
        first_W = [first_W[i] for i in np.linspace(0, len(first_W) - 1, most).astype(int)]
    return np.sort(np.concatenate([mine[: most // len(first_W)] for mine in first_W]))


def _maps(trained: Trained, most: int) -> tuple[Window, ...]:
    """Whole maps of a few windows: long ones of complete items first, the same for every arm of a repeat."""
    item_W, start_W = trained.test.table_W4[:, 0], trained.test.table_W4[:, 2]
    complete_W = np.array([trained.data.complete[item] for item in item_W])
    order = np.lexsort((start_W, -_positions(trained), ~complete_W))
    _, first = np.unique(item_W[order], return_index=True)
    return tuple(_map(trained, int(w)) for w in order[np.sort(first)[:most]])


def _map(trained: Trained, window: int) -> Window:
    batch = next(trained.test.batches(np.array([window])))
    arrays, seen, _ = traced(trained, batch)
    steps = int(batch.valid_BT[0].sum())
    pooled = -(-steps // FINEST)
    kept = sorted(attention_maps(arrays, seen), key=lambda one: one.place != ENCODER)[: MOST_MAPS - 1]
    shown = [(one.place, one.layer, _by_step(one, seen.valid_BT.shape[1])) for one in kept]
    shown.append(("rollout", 0, rollout(arrays, seen)[0]))
    events_T = edit_events(batch, trained.targets, trained.task)[0, :steps].numpy()
    return Window(
        item=trained.data.names[int(batch.item_B[0])],
        start=int(batch.start_B[0]),
        steps=steps,
        pooled=pooled,
        events=tuple(np.flatnonzero(events_T).tolist()),
        maps=tuple(
            Map(place=place, layer=layer, rows=_thousandths(weights_TT[:steps, :steps], pooled))
            for place, layer, weights_TT in shown
        ),
    )


def _by_step(one: AttentionMap, steps: int) -> np.ndarray:
    """Mean over heads, and over the queries of a step; keys of a step together."""
    weights_QS = np.nan_to_num(one.weights_BHQS[0].mean(0)) * one.allowed_BQS[0]
    asks_TQ = (np.arange(steps)[:, None] == one.step_Q) / (len(one.step_Q) // steps)
    return asks_TQ @ weights_QS @ (one.step_S[:, None] == np.arange(steps))


def _thousandths(weights_TT: np.ndarray, pooled: int) -> tuple[tuple[int, ...], ...]:
    """Cells of several steps: mean over queries, sum over keys."""
    edges = np.arange(0, len(weights_TT), pooled)
    queries = np.diff(np.append(edges, len(weights_TT)))
    cells = np.add.reduceat(np.add.reduceat(weights_TT, edges, axis=0) / queries[:, None], edges, axis=1)
    return tuple(map(tuple, np.rint(1000 * cells).astype(int).tolist()))
