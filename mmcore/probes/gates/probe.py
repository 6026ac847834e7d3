"""How far the gates of a trained model open, when, and whether that says what the model uses.

B batch, T steps, K tracks, G gates, D width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmcore.analyses import GatesAnalysis
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


def probe_gates(trained: Trained, settings: GatesAnalysis) -> dict[str, Any]:
    """Gates on the test items in one streaming pass, then what happens to a sample of them when gates or inputs go.

    Args:
        trained: a model with ``gated``, ``gated_softmax`` or ``hierarchical`` fusion of two modalities or more.

    Returns:
        - ``gates``: ``{"name", "modalities"}`` of each, ``modalities`` being those that pass it; ``places``: their
          names by the place at which they stand: one with the gates of all modalities, or one for each pair;
        - ``components``, ``step`` (seconds, or None);
        - ``distribution``: by gate, ``steps`` with a choice, steps at which something is ``present`` behind it and,
          unless it never had a choice, mean; deviation over features and steps; deviation of the mean gate over steps;
          quantiles; histogram; shares shut and open; ``between_inputs`` (of the variance of gate values, the share
          within a feature between steps: 0 for a gate that ignores what it reads); ``norm`` and ``passing`` (mean
          length of the vector before and after the gate); ``follows`` (the raw feature that goes along most closely
          with the gate's mean, and Pearson's r);
        - ``shares``: entropy over the gates at a place of opening and of what passes; mean share of what passes;
        - ``conditions``, ``around``: mean opening while something is so and while not; by steps from an edit;
        - ``faithfulness``, ``clamping``: see :mod:`mmcore.probes.gates.faithfulness`; ``sample``: what they rest on;
        - ``timelines``: see :func:`mmcore.probes.gates.timelines.keep_timelines`.
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
    told = {name: sums.result() for name, sums in distribution.items()}
    follows = {name: (told[name].get("follows") or {}).get("feature") for name in names}
    return {
        "gates": [{"name": gate.name, "modalities": list(gate.modalities)} for gate in gates],
        "places": [[gate.name for gate in place] for place in places],
        "components": list(trained.targets.components),
        "step": trained.schema.step,
        "distribution": told,
        "shares": shares.result(),
        "conditions": conditions.result(),
        "around": around.result(),
        "faithfulness": measure_faithfulness(sample),
        "clamping": measure_clamping(sample, {name: sums.mean_D() for name, sums in distribution.items()}),
        "sample": {
            "items": len(sample.items),
            "of_items": sample.of_items,
            "windows": sample.windows,
            "of_windows": sample.of_windows,
        },
        "timelines": keep_timelines(trained, settings.timelines, follows),
    }


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
