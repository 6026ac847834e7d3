"""Gates of a few test items step by step, beside what they read and what the model predicts.

B batch, T steps, S steps of an item, K tracks, O outputs per track.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from mmcore.answers.gates import Feature, TargetLine, Timeline
from mmcore.batch import Batch
from mmcore.config import Forecast
from mmcore.probes.events import edit_events
from mmcore.probes.gates.clamping import gates_of
from mmcore.probes.gates.sums import look, rounded
from mmcore.seeding import generator
from mmcore.trained import Trained
from mmcore.training.losses import layout_of

MOST_STEPS = 200
"""Steps of an item that are kept: more cannot be told apart in a picture one column wide."""


def draw_items(trained: Trained, number: int) -> list[int]:
    """Test items for pictures, drawn alike for every arm of a repeat; those with all modalities first."""
    items = np.unique(trained.test.table_W4[:, 0])
    drawn = items[generator(trained.config.repeat, "gates/timelines").permutation(len(items))].tolist()
    return sorted(drawn, key=lambda item: not trained.prepared.items[item].complete)[:number]


def keep_timelines(trained: Trained, number: int, follows: Mapping[str, str | None]) -> tuple[Timeline, ...]:
    """Everything about a few items that a picture needs, one row a step of the grid at most; NaN where nothing is.

    Args:
        number: items at most. follows: by gate, the raw feature to show beside it; None: the length of the vector of
            all that its modality has. A gate with several modalities behind it has none.

    Returns:
        One for each item. Targets are the first class parameter and the first continuous one, of track 0. For classes
        the prediction is the probability of the class that is true most often; for values it is the normalised value.
        All times are the corpus's: targets and edits stand where they happen, a gate at the step that it helps to
        predict, a feature where it was measured. Steps before the first gate are not shown.
    """
    return tuple(_timeline(trained, item, follows) for item in draw_items(trained, number))


def _timeline(trained: Trained, item: int, follows: Mapping[str, str | None]) -> Timeline:
    names = [gate.name for gate in gates_of(trained.model).every]
    windows = np.flatnonzero(trained.test.table_W4[:, 0] == item)
    ahead = trained.task.horizon if isinstance(trained.task, Forecast) else 0
    S = min(MOST_STEPS + ahead, trained.prepared.items[item].steps)
    gates, passing, features = ({name: np.full(S, np.nan) for name in names} for _ in range(3))
    targets = _targets(trained)
    lines = [np.full((2, S), np.nan) for _ in targets]
    events_S = np.zeros(S, bool)
    first = S
    for batch in trained.test.batches(windows):
        shown = look(trained, batch)
        outputs_BTKO = trained.predict(batch)
        happens_BT = edit_events(batch, trained.targets, trained.task).numpy()
        for b, start in enumerate(batch.start_B.tolist()):
            there_T = np.flatnonzero(batch.valid_BT[b].numpy())
            there_T = there_T[start + ahead + there_T < S]
            at_T = start + ahead + there_T
            first = min(first, *at_T.tolist(), S)
            for g, name in enumerate(names):
                gates[name][at_T] = shown.opening[name][b, there_T]
                passing[name][at_T] = shown.passing[name][b, there_T]
                absent_T = ~shown.choice_BTG[b, there_T, g]
                for line in (gates, passing):
                    line[name][at_T[absent_T]] = np.nan
                if name not in trained.modalities:
                    continue
                read_T = at_T - ahead + trained.test.shifts[name]
                # Content may be read further ahead than what is predicted, beyond what is drawn.
                values_T = np.where(absent_T, np.nan, _feature(trained, batch, name, follows.get(name), b, there_T))
                features[name][read_T[read_T < S]] = values_T[read_T < S]
            if trained.targets.scope == "step":
                for line, p in zip(lines, targets, strict=True):
                    line[:, at_T] = _track(trained, batch, outputs_BTKO, p)[:, b, there_T]
                events_S[at_T] = happens_BT[b, there_T]
    last = max((np.flatnonzero(~np.isnan(np.stack([*gates.values()])).all(0)).max(initial=-1) + 1), first)

    def listed(line_S: np.ndarray) -> tuple[float, ...]:
        return tuple(round(rounded(value), 3) for value in line_S[first:last].tolist())

    return Timeline(
        item=trained.prepared.items[item].name,
        first=first,
        gates={name: listed(line) for name, line in gates.items()},
        passing={name: listed(line) for name, line in passing.items()},
        features={
            name: Feature(name=follows.get(name), values=listed(line))
            for name, line in features.items()
            if name in trained.modalities
        },
        targets=tuple(
            TargetLine(
                parameter=trained.targets.parameters[p].name,
                track=0,
                kind=trained.targets.parameters[p].kind,
                true=listed(true_S),
                predicted=listed(predicted_S),
            )
            for p, (true_S, predicted_S) in zip(targets, lines, strict=True)
        )
        if trained.targets.scope == "step"
        else (),
        events=tuple(np.flatnonzero(events_S).tolist()),
    )


def _feature(
    trained: Trained, batch: Batch, name: str, feature: str | None, b: int, there_T: Sequence[int] | np.ndarray
) -> np.ndarray:
    x_TF = batch.values[name][b].numpy()[there_T]
    if feature is None:
        return np.linalg.norm(x_TF, axis=-1)
    return x_TF[:, trained.schema.modalities[name].columns.index(feature)]


def _targets(trained: Trained) -> list[int]:
    """The parameters to show: the first of the classes and the first continuous one."""
    layout = layout_of(trained.targets)
    classes = sorted(layout.binary + layout.categorical)
    return [*classes[:1], *layout.continuous[:1]]


def _track(trained: Trained, batch: Batch, outputs_BTKO: Tensor, p: int) -> np.ndarray:
    """True and predicted values of a parameter on track 0, (2, B, T); NaN where there is no target."""
    layout = layout_of(trained.targets)
    first, kind = layout.first[p], trained.targets.parameters[p].kind
    true_BT = batch.target_BTKP[:, :, 0, p]
    if kind == "continuous":
        guess_BT = outputs_BTKO[:, :, 0, first]
    else:
        # With more than two classes the line shows the probability of the true class.
        chance_BTC = outputs_BTKO[:, :, 0, first : first + layout.classes(p)].softmax(-1)
        if kind == "binary":
            guess_BT = chance_BTC[..., 1]
        else:
            guess_BT = chance_BTC.gather(-1, true_BT.long().unsqueeze(-1))[..., 0]
            true_BT = torch.ones_like(true_BT)
    missing_BT = ~batch.target_valid_BTKP[:, :, 0, p]
    pair = torch.stack([true_BT, guess_BT]).masked_fill(missing_BT, torch.nan)
    return pair.double().numpy()
