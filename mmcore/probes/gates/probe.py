"""How far the gates of a trained model open, when, and whether that says what the model uses.

B batch, T steps, K tracks, G gates, D width.
"""

from __future__ import annotations

import numpy as np

from mmcore.analyses import GatesAnalysis
from mmcore.answers.gates import GateName, GateSample, GatesResult
from mmcore.batch import Batch
from mmcore.model.fusion.gates import Gate
from mmcore.probes.events import edit_events
from mmcore.probes.gates.clamping import gates_of
from mmcore.probes.gates.faithfulness import measure_clamping, measure_faithfulness
from mmcore.probes.gates.sample import draw_sample
from mmcore.probes.gates.sums import AlignedSums, ConditionSums, OpeningSums, ShareSums, look, places_of
from mmcore.probes.gates.timelines import keep_timelines
from mmcore.trained import Trained

AROUND_SECONDS = 3.0
"""How far before and after an edit gates are followed."""
AROUND_STEPS = 10
"""The same in steps, where a step has no length in seconds; and never more than three times as many."""
MOST_CONDITIONS = 8
"""Binary features that are taken as conditions, in the order of the corpus."""
MOST_TRACKS = 4
"""Tracks of which it is a condition that they are on."""


def probe_gates(trained: Trained, settings: GatesAnalysis) -> GatesResult:
    """Gates on the test items in one streaming pass, then what happens to a sample of them when gates or inputs go.

    Args:
        trained: a model with ``gated``, ``gated_softmax`` or ``hierarchical`` fusion of two modalities or more.
    """
    places = places_of(trained)
    gates = gates_of(trained.model).every
    names = tuple(gate.name for gate in gates)
    distribution = {gate.name: OpeningSums(trained.config.model.width, _features(trained, gate)) for gate in gates}
    shares, conditions = ShareSums(places), ConditionSums(names)
    around = AlignedSums(names, _lag(trained.schema.step), [item.steps for item in trained.prepared.items])
    for batch in trained.test.batches():
        shown = look(trained, batch)
        for g, gate in enumerate(gates):
            counts_BT, present = shown.choice_BTG[..., g], int(shown.there_BTG[..., g].sum())
            x_NF = np.empty((int(counts_BT.sum()), 0))
            if _features(trained, gate):
                x_NF = batch.values[gate.name].numpy()[counts_BT]
            parts = (shown.norm[gate.name][counts_BT], shown.passing[gate.name][counts_BT])
            distribution[gate.name].add(shown.gates[gate.name][counts_BT], *parts, x_NF, present)
        shares.add(shown)
        events_BT = edit_events(batch, trained.targets, trained.task).numpy()
        conditions.add(shown, _conditions(trained, batch, events_BT))
        around.add(shown, batch, events_BT)

    sample = draw_sample(trained)
    openings = {name: sums.result() for name, sums in distribution.items()}
    follows = {name: opening.follows and opening.follows.feature for name, opening in openings.items()}
    return GatesResult(
        gates=tuple(GateName(name=gate.name, modalities=gate.modalities) for gate in gates),
        places=tuple(tuple(gate.name for gate in place) for place in places),
        components=trained.targets.components,
        step=trained.schema.step,
        distribution=openings,
        shares=shares.result(),
        conditions=conditions.result(),
        around=around.result(),
        faithfulness=measure_faithfulness(sample),
        clamping=measure_clamping(sample, {name: sums.mean_D() for name, sums in distribution.items()}),
        sample=GateSample(
            items=len(sample.items),
            of_items=sample.of_items,
            windows=sample.windows,
            of_windows=sample.of_windows,
        ),
        timelines=keep_timelines(trained, settings.timelines, follows),
    )


def _features(trained: Trained, gate: Gate) -> tuple[str, ...]:
    """Columns of the modality behind a gate; none where several are, of which one column would say little."""
    return trained.schema.modalities[gate.name].columns if gate.modalities == (gate.name,) else ()


def _lag(step: float | None) -> int:
    return AROUND_STEPS if step is None else max(1, min(3 * AROUND_STEPS, round(AROUND_SECONDS / step)))


def _conditions(trained: Trained, batch: Batch, events_BT: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What may be so at a step: a binary feature of the content, a track that is on, an edit."""
    valid_BT = batch.valid_BT.numpy()
    targets = trained.targets
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for m, name in enumerate(batch.modalities):
        modality = trained.schema.modalities[name]
        if name == targets.from_:
            continue
        known_BT = valid_BT & batch.present_BTM[..., m].numpy()
        for f, (column, kind) in enumerate(zip(modality.columns, modality.kinds, strict=True)):
            if kind == "binary" and len(found) < MOST_CONDITIONS:
                found[column] = (batch.values[name][..., f].numpy() > 0.5, known_BT)
    if targets.scope == "step":
        for p, parameter in enumerate(targets.parameters):
            for k in range(min(targets.tracks, MOST_TRACKS) if parameter.kind == "binary" else 0):
                known_BT = valid_BT & batch.target_valid_BTKP[:, :, k, p].numpy()
                found[f"track {k} {parameter.name}"] = (batch.target_BTKP[:, :, k, p].numpy() > 0.5, known_BT)
        found["an edit"] = (events_BT, valid_BT)
    return found
