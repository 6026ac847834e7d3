"""From trained models to predictions in original units, for items that need no targets.

I items, S steps of an item, K tracks, P parameters, O outputs per track, R models (repeats).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from mmcore.config import RunConfig
from mmcore.custom import sealed
from mmcore.data.loader import Loader
from mmcore.data.normalisation import Normaliser
from mmcore.data.prepared import Prepared
from mmcore.errors import CorpusError
from mmcore.files import read_bytes, unopened
from mmcore.fingerprint import training_fingerprint
from mmcore.model.build import build_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import CorpusSchema, Modality
from mmcore.task import resolve_causal, resolve_task
from mmcore.training.checkpoint import load_checkpoint
from mmcore.training.evaluation import predictor
from mmcore.training.losses import Layout, layout_of
from mmcore.training.threads import with_threads

Refuse = Callable[[str, object, object], NoReturn]
"""Raises with what differs, what was expected, and what was found."""


@dataclass(frozen=True)
class Member:
    """One trained model of an arm.

    Args:
        repeat: whose split it was trained on.
        config: of its run. normaliser: fitted on its training items.
        model: with the weights that were scored, on the CPU.
    """

    repeat: int
    config: RunConfig
    normaliser: Normaliser
    model: MultimodalModel


@dataclass(frozen=True)
class ItemPrediction:
    """What an arm predicts for one item.

    Args:
        item: index in the corpus.
        ahead: the steps by which a prediction lies after the step that it was made at: a forecast's horizon, else 0.
        mean_SKO: per output, the mean over R models: values in original units, probabilities of classes (a binary
            parameter has the two of 0 and 1). S is 1 where each item has one target.
        spread_SKO: their sample standard deviation over models; NaN for one model.
    """

    item: int
    ahead: int
    mean_SKO: np.ndarray
    spread_SKO: np.ndarray


def open_member(config: RunConfig, schema: CorpusSchema, content: str, folder: Path) -> Member:
    """A finished run as a model that predicts.

    Args:
        config: of its record, with its window. schema, content: of the corpus that it was trained on.
        folder: with its checkpoints and its normalisation.

    Raises:
        CheckpointError: there is no readable checkpoint of this config.
        CorpusError: the normalisation cannot be read.
    """
    config = sealed(config)
    causal = resolve_causal(config, resolve_task(config, schema))
    model = build_model(config.model, schema, causal, config.repeat, config.data.steps)
    model.precision = config.training.precision
    path = folder / "checkpoints" / "best.pt"
    weights = load_checkpoint(path, training_fingerprint(config, content), torch.device("cpu"))
    model.load_state_dict(weights["model"])
    try:
        text = read_bytes(folder / "normalisation.json").decode("utf-8", "replace")
    except OSError as problem:
        raise unopened(CorpusError, "the normalisation of a run", folder / "normalisation.json", problem) from None
    return Member(config.repeat, config, Normaliser.from_json(text), model.eval())


def check_same_schema(trained: CorpusSchema, new: CorpusSchema, modalities: Sequence[str], where: str) -> None:
    """Refuse a corpus that a model cannot read.

    Columns, kinds and classes of the modalities that the model reads must be those that it was trained on, in the same
    order; so must the length of a step, and what is predicted. How files hold times may differ.

    Args:
        modalities: that the model reads. where: the new corpus, for the message.

    Raises:
        CorpusError: names the first part that differs.
    """

    def refuse(what: str, expected: object, found: object) -> NoReturn:
        raise CorpusError(
            f"a model reads only corpora like the one it was trained on; {what} differs",
            expected=str(expected)[:300],
            found=str(found)[:300],
            where=where,
        )

    if trained.step != new.step:
        refuse("the length of a step (step)", trained.step, new.step)
    for name in modalities:
        if name not in new.modalities:
            refuse(f"modality '{name}'", "it is there", f"modalities {', '.join(new.modalities)}")
        _check_modality(name, trained.modalities[name], new.modalities[name], refuse)
    ours, theirs = trained.targets, new.targets
    if (ours.from_, ours.scope, ours.tracks) != (theirs.from_, theirs.scope, theirs.tracks):
        refuse(
            "targets.from, scope or tracks",
            (ours.from_, ours.scope, ours.tracks),
            (theirs.from_, theirs.scope, theirs.tracks),
        )
    for one, other in zip(ours.parameters, theirs.parameters, strict=False):
        same = (one.name, one.kind, one.outputs, one.labels) == (other.name, other.kind, other.outputs, other.labels)
        if not same:
            refuse(f"target parameter '{one.name}'", (one.name, one.kind), (other.name, other.kind))
    if len(ours.parameters) != len(theirs.parameters):
        refuse("the number of target parameters", len(ours.parameters), len(theirs.parameters))


def _check_modality(name: str, ours: Modality, theirs: Modality, refuse: Refuse) -> None:
    if ours.columns != theirs.columns:
        lacking = [column for column in ours.columns if column not in theirs.columns]
        surplus = [column for column in theirs.columns if column not in ours.columns]
        said = f"lacks {', '.join(lacking[:5])}" if lacking else ""
        said += (" and " if said and surplus else "") + (f"has {', '.join(surplus[:5])} besides" if surplus else "")
        refuse(f"the columns of modality '{name}'", ", ".join(ours.columns), said or "the same in another order")
    for column, one, other in zip(ours.columns, ours.kinds, theirs.kinds, strict=True):
        if one != other:
            refuse(f"the kind of column '{column}' of modality '{name}'", one, other)
    if ours.labels != theirs.labels:
        refuse(f"the classes of modality '{name}'", ours.labels, theirs.labels)
    # A corpus that does not say what computed its features may be read: nothing is known against it.
    made, now = ({one.identity for one in each.extractors} for each in (ours, theirs))
    if made and now and made != now:
        refuse(f"what computed modality '{name}' (extractors)", _listed(made - now), _listed(now - made))


def _listed(identities: set[tuple[str, str, str | None, str | None]]) -> str:
    return "; ".join(" ".join(filter(None, one)) for one in sorted(identities, key=str)) or "none besides"


def predict_items(
    members: Sequence[Member], prepared: Prepared, items: Sequence[int] | None = None
) -> Iterator[ItemPrediction]:
    """Predict item by item, so that memory grows with the longest item alone.

    A step in a part of an item that no window reaches cannot occur: every step is a position. Windows do not overlap,
    as in testing. An item without a single step is left out.

    Args:
        members: R models of one arm, at least one. prepared: the store of the new corpus; its targets are not read.
        items: indices; None: all.
    """
    schema = prepared.schema
    layout = layout_of(schema.targets)
    with with_threads(members[0].config.threads):
        for item in range(len(prepared.items)) if items is None else items:
            if not prepared.items[item].steps:
                continue
            yield _averaged(item, (_one(member, prepared, item, layout) for member in members))


def _averaged(item: int, of_each: Iterable[tuple[np.ndarray, int]]) -> ItemPrediction:
    """Mean and spread over models, with the outputs of one model in memory at a time: an hour of them takes 100 MB.

    The sum of squared deviations is updated model by model (Welford 1962).
    """
    count, ahead = 0, 0
    total_SKO = squares_SKO = np.zeros(())
    for outputs_SKO, steps in of_each:
        count, ahead = count + 1, steps
        if count == 1:
            total_SKO, squares_SKO = outputs_SKO, np.zeros_like(outputs_SKO)
            continue
        apart_SKO = outputs_SKO - total_SKO / (count - 1)
        total_SKO = total_SKO + outputs_SKO
        squares_SKO += apart_SKO * (outputs_SKO - total_SKO / count)
    # A sample standard deviation of one model would be 0 divided by 0.
    spread_SKO = np.sqrt(squares_SKO / (count - 1)) if count > 1 else np.full(total_SKO.shape, np.nan)
    return ItemPrediction(item, ahead, total_SKO / count, spread_SKO)


def _one(member: Member, prepared: Prepared, item: int, layout: Layout) -> tuple[np.ndarray, int]:
    """A model's outputs (S, K, O) for an item, decoded; and the steps that they lie ahead."""
    schema, config = prepared.schema, member.config
    loader = Loader(
        prepared, member.normaliser, config.data, resolve_task(config, schema), member.model.modalities, [item],
        config.training.batch, scored=False,
    )  # fmt: skip
    predict = predictor(member.model, torch.device("cpu"))
    first = prepared.items[item].offset
    steps = 1 if loader.per_item else prepared.items[item].steps
    outputs_SKO = np.full((steps, schema.targets.tracks, schema.targets.outputs), np.nan)
    votes: list[Tensor] = []
    at = 0
    for batch in loader.batches():
        decoded_BTKO = _decoded(predict(batch), layout, member.normaliser)
        if loader.per_item:
            votes.append(decoded_BTKO[:, 0])
            continue
        for b in range(len(decoded_BTKO)):
            start = int(loader.table_W4[at, 2]) - first
            positions = int(batch.valid_BT[b].sum())
            outputs_SKO[start : start + positions] = decoded_BTKO[b, :positions].numpy()
            at += 1
    if votes:
        outputs_SKO[0] = torch.cat(votes).mean(0).numpy()
    return outputs_SKO, loader.ahead


def _decoded(outputs_BTKO: Tensor, layout: Layout, normaliser: Normaliser) -> Tensor:
    """Outputs as probabilities and as values in original units, float64."""
    decoded_BTKO = outputs_BTKO.to(torch.float64, copy=True)
    for p in layout.binary + layout.categorical:
        span = slice(layout.first[p], layout.first[p] + layout.classes(p))
        decoded_BTKO[..., span] = decoded_BTKO[..., span].softmax(-1)
    for p in layout.continuous:
        at = layout.first[p]
        decoded_BTKO[..., at] *= float(normaliser.target_deviation_P[p])
        decoded_BTKO[..., at] += float(normaliser.target_mean_P[p])
    return decoded_BTKO
