"""The one path from a config to a result. Works untracked; read it from top to bottom.

data → task → split → normalisation → loaders → baselines → model → training → scores → leakage and gates.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields, replace
from pathlib import Path

import torch

from mmcore.atomic import write_atomically
from mmcore.cells import plain_cell
from mmcore.config import RunConfig, Task
from mmcore.custom import sealed
from mmcore.data.duplicates import divided_duplicates
from mmcore.data.placebo import with_placebos
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sides import absent_from, labels_of, refuse_untrained, remarks
from mmcore.data.splits import Split, draw_split
from mmcore.data.strata import strata_of
from mmcore.data.windows import cut_items, lengths_of, with_window
from mmcore.errors import CheckpointError, ConfigError, TrainingDiverged
from mmcore.events import Note, OnEvent, ignore
from mmcore.facts import Chosen, CorpusFacts, Failure, GateUse, Hardware, Leakage, Side, SplitFacts
from mmcore.fingerprint import NUMERICS, fingerprint, training_fingerprint
from mmcore.language import say
from mmcore.model.build import build_model
from mmcore.model.cost import count_parameters
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.precision import numbers_in_words, slow_note, tensor_cores
from mmcore.operations import operations_of
from mmcore.packing.member import Member, Steps, advanced, concluded
from mmcore.probes.gates.saturation import gate_columns, probe_saturation
from mmcore.probes.leakage import probe_leakage
from mmcore.probes.removal import removing
from mmcore.probes.rounding import probe_rounding
from mmcore.record import Record
from mmcore.scores import ItemLoss, Outcome, Reliability, Score
from mmcore.scoring import Data, normaliser_of
from mmcore.task import (
    check_names,
    check_packages,
    check_precision,
    is_leaky,
    resolve_causal,
    resolve_task,
    selection_metric,
)
from mmcore.training.baselines import naive_classes
from mmcore.training.checkpoint import load_checkpoint
from mmcore.training.evaluation import item_rows, outcome_rows, predictor, reliability_rows, score_rows
from mmcore.training.loop import start_or_resume, write_history
from mmcore.training.objective import build_objective
from mmcore.training.selection import Selection
from mmcore.training.threads import with_threads
from mmcore.training.weighting import build_weighting, refuse_unusable


def run(
    config: RunConfig,
    workdir: Path | str,
    on_event: OnEvent = ignore,
    prepared: Prepared | None = None,
    trained: Path | str | None = None,
) -> Record:
    """Train one model and score it once on the test items.

    What is left in ``workdir``: config.json, normalisation.json, history.json, items.csv, checkpoints/. A run that was
    interrupted goes on from ``checkpoints/last.pt`` and ends bit for bit as if it had not been, on the same machine
    and number of threads. That number is ``config.threads``, else one, whatever the process has set before; its own
    setting is restored afterwards. Test items are not read before the best epoch is chosen.

    Modalities in ``config.evaluation.without`` are there while the model is trained and its epoch chosen, and absent
    from all items when it is scored in the end, on the validation and the test side alike. Baselines and the history
    do not change. With ``config.evaluation.test`` off, test items are not read, and they have no scores.

    Args:
        config: everything that decides the numbers.
        workdir: folder of this run alone, or of runs that differ in ``config.evaluation`` alone.
        on_event: hears of progress; an exception that it raises ends the run between two steps.
        prepared: the prepared corpus, opened once for many runs; None: prepared under ``workdir/prepared``.
        trained: folder of a finished run that differs in ``config.evaluation`` alone: its model is scored, and nothing
            is trained; None: train in ``workdir``.

    Returns:
        The record, which belongs to no study yet; its status is ``failed`` where training diverged, with the history
        up to then.

    Raises:
        ConfigError: the config does not fit the corpus or the machine.
        CorpusError, SplitError: the corpus breaks its format, or leaves a side of the split empty.
        CheckpointError: ``workdir`` or ``trained`` belongs to another run, or ``trained`` is not finished.

    Example:
        >>> from mmcore.config import build_config
        >>> from mmcore.run import run
        >>> result = run(build_config({"corpus": "my_corpus"}), "my_run")   # doctest: +SKIP
        >>> result.score("skill")                                           # doctest: +SKIP
    """
    steps = run_in_steps(config, workdir, on_event, prepared, trained)
    member = next(steps)
    try:
        member.train()
    except TrainingDiverged as error:
        return concluded(steps, error)
    return concluded(steps)


def run_in_steps(
    config: RunConfig,
    workdir: Path | str,
    on_event: OnEvent = ignore,
    prepared: Prepared | None = None,
    trained: Path | str | None = None,
) -> Steps:
    """The same as :func:`run`, but the caller trains and scores the model: alone, or with others as one batch.

    What :func:`run` sets for the process holds while it computes, and not while it waits.
    """
    config = sealed(config)
    folder = Path(workdir)
    home = folder if trained is None else Path(trained)
    device = resolve_device(config.device)
    if prepared is None:
        prepared = prepare(Path(config.corpus), config.data, folder / "prepared", on_event)
    precision = config.training.precision
    check_precision(precision, device.type)
    if (slow := slow_note(precision, device)) is not None and trained is None:
        on_event(Note(slow))
    steps = _run(config, folder, home, device, on_event, prepared, reused=trained is not None)
    with _computing(config, device):
        member = next(steps)
    member.state.pause()
    diverged: TrainingDiverged | None = None
    try:
        yield member
    except TrainingDiverged as error:
        diverged = error
    with _computing(config, device):
        asked = advanced(steps, diverged)
    if isinstance(asked, Record):
        return asked
    asked.state.pause()
    yield asked
    asked.state.clock = time.monotonic()
    with _computing(config, device):
        return concluded(steps)


@contextmanager
def _computing(config: RunConfig, device: torch.device) -> Iterator[None]:
    """What holds for the process while a run computes."""
    with with_threads(config.threads), tensor_cores(config.training.precision, device):
        yield


def _run(
    config: RunConfig,
    folder: Path,
    home: Path,
    device: torch.device,
    on_event: OnEvent,
    prepared: Prepared,
    reused: bool,
) -> Steps:
    schema, targets = prepared.schema, prepared.schema.targets
    config = with_window(config, prepared)

    task = resolve_task(config, schema)
    causal = resolve_causal(config, task)
    refuse_unusable(config.loss, targets)
    check_names(config, schema)
    check_packages(config)

    split = draw_split(prepared.items, config.split, config.repeat, strata_of(prepared, config.split))
    read = [m for m in schema.chosen(config.model.modalities) if m not in config.evaluation.without]
    refuse_untrained(prepared, split.train, read)
    for side, members in (("train", split.train), ("validation", split.validation)):
        for text in remarks(prepared, side, members):
            on_event(Note(say("{text}: see check ABL038 or ABL039", text=text)))
    normaliser = normaliser_of(prepared, split.train)
    prepared = with_placebos(prepared, config.data.placebo, split, config.repeat)
    data = Data(config, prepared, split.train, normaliser, task, on_event)
    training = data.loader("training", split.train, stride=config.data.stride).keep()
    validation = data.loader("validation", split.validation).keep(pinned=device.type == "cuda")

    naive = data.naive(split.validation)
    chosen_by = Selection(selection_metric(config, schema), naive)
    objective = build_objective(config.loss, targets, data.targets_only(split.train).batches())

    model = build_model(config.model, schema, causal, config.repeat, config.data.steps).to(device)
    model.precision = config.training.precision
    shared = training_fingerprint(config, prepared.content)
    weighting = build_weighting(config.loss, targets, model, config.repeat)
    state = start_or_resume(model, weighting, config, shared, home, ignore if reused else on_event)
    earlier = state.seconds
    if reused and not state.finished(config.training):
        raise _unfinished(home)
    _write_text(folder / "config.json", config.model_dump_json(indent=1))
    _write_text(folder / "normalisation.json", normaliser.to_json())

    failure: Failure | None = None
    scores: list[Score] = []
    items: list[ItemLoss] = []
    leakage, selection, rounding = Leakage(), Chosen(), None
    outcomes: list[Outcome] = []
    calibration: list[Reliability] = []
    gates: dict[str, GateUse] = {}
    twins: list[tuple[str, str]] | None = None
    test_windows = 0
    predict = predictor(model, device)
    handful = data.handful(validation)
    member = Member(
        state,
        training,
        validation,
        data,
        predict,
        chosen_by,
        config,
        objective,
        shared,
        home,
        on_event,
        watch=lambda: gate_columns(probe_saturation(model, handful)),
        computing=lambda: _computing(config, device),
    )
    try:
        yield member
    except TrainingDiverged as error:
        failure = Failure(type(error).__name__, error.message, error.epoch, error.step, error.component)
        write_history(home / "history.json", state.history)
    else:
        best = load_checkpoint(home / "checkpoints" / "best.pt", shared, device)
        model.load_state_dict(best["model"])
        # Counted, not taken on trust.
        selection = Chosen(chosen_by.metric.name, chosen_by.by, data.windows_read(split.test))
        asked = [(validation, data.a_pass())]
        if config.evaluation.test:
            # Only now, with the choice of the checkpoint behind us, are test items read.
            test = data.loader("test", split.test)
            test_windows = test.windows
            asked.append((test, data.a_pass(by_item=True)))
        yield replace(member, predict=removing(config.evaluation.without, predict), asked=tuple(asked))
        scores = score_rows("validation", asked[0][1].result(), naive)
        if config.evaluation.test:
            tally = asked[1][1].result()
            naive = data.naive(split.test)
            scores += score_rows("test", tally, naive)
            scored = data.scored(tally, split.test)
            items = item_rows(scored, data.names, data.groups, tally, naive)
            outcomes = outcome_rows(scored, data.names, tally, naive)
            _write_items(folder / "items.csv", items)
            twins = divided_duplicates(prepared, split)
            calibration = reliability_rows(tally)
        rounding = probe_rounding(model, device, lambda: data.tally(predict, validation, chosen_by.detailed), chosen_by)
        leakage = probe_leakage(model, handful, task, schema, normaliser, config.data.placebo)
        gates = probe_saturation(model, handful)

    windows = {"train": training.windows, "validation": validation.windows, "test": test_windows}
    return Record(
        fingerprint=fingerprint(config, prepared.content),
        config=config,
        repeat=config.repeat,
        status="failed" if failure else "done",
        failure=failure,
        corpus=_describe_corpus(config, prepared, task),
        split=_describe_split(split, prepared, windows, config.data.steps, twins),
        parameters=count_parameters(model),
        flops=operations_of(model, config, prepared.content),
        epochs=len(state.history),
        best_epoch=state.best_epoch,
        stopped_early=state.stopped_early(config.training),
        steps=state.step,
        seconds=state.elapsed() - (earlier if reused else 0.0),
        scores=tuple(scores),
        history=tuple(state.history),
        items=tuple(items),
        outcomes=tuple(outcomes),
        leakage=leakage,
        calibration=tuple(calibration),
        naive_classes=tuple(naive_classes(data.baselines)),
        selection=selection,
        gates=gates,
        hardware=_describe_hardware(model, device, state.packed),
        rounding=rounding,
        numerics=NUMERICS,
    )


def resolve_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is cuda, else mps, else cpu.

    Raises:
        ConfigError: this machine does not have it.
    """
    have = ["cpu"]
    if torch.backends.mps.is_available():
        have.insert(0, "mps")
    if torch.cuda.is_available():
        have.insert(0, "cuda")
    if name == "auto":
        return torch.device(have[0])
    if name not in have:
        raise ConfigError(
            f"device '{name}' is not available here",
            expected=" or ".join(have),
            next_step="Set device to auto",
            where="device",
        )
    # With its number, as tensors report it, so that a batch knows when it is already there.
    return torch.device(name, 0) if name == "cuda" else torch.device(name)


def _unfinished(home: Path) -> CheckpointError:
    return CheckpointError(
        "only a training that is finished can be tested in another way",
        expected="a whole checkpoint of its last epoch",
        where=str(home / "checkpoints" / "last.pt"),
        next_step=f"Rename {home}; the same command then trains it again",
    )


def _describe_corpus(config: RunConfig, prepared: Prepared, task: Task) -> CorpusFacts:
    schema = prepared.schema
    return CorpusFacts(
        name=schema.name,
        content=prepared.content,
        path=config.corpus,
        modalities=tuple(schema.modalities),
        components=tuple(schema.targets.components),
        tracks=schema.targets.tracks,
        task=task.kind,
        leaky=is_leaky(task),
        units={p.name: p.unit for p in schema.targets.parameters},
        missing={m: sum(not item.has[i] for item in prepared.items) for i, m in enumerate(schema.modalities)},
        scope=schema.targets.scope,
        lengths=lengths_of(prepared),
        alike=prepared.likenesses.alike,
        copies=prepared.likenesses.copies,
    )


def _describe_hardware(model: MultimodalModel, device: torch.device, packed: int) -> Hardware:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return Hardware(f"{device.type} {name}".strip(), numbers_in_words(model.precision, device), packed or None)


def _describe_split(
    split: Split, prepared: Prepared, windows: dict[str, int], window: int, twins: list[tuple[str, str]] | None
) -> SplitFacts:
    def side(name: str, items: Sequence[int]) -> Side:
        return Side(
            items=len(items),
            groups=len({prepared.items[i].group for i in items}),
            windows=windows[name],
            cut=cut_items(prepared, items, window),
            missing=absent_from(prepared, items),
            # Targets of test items are read where the run tests them, and only then.
            labels=labels_of(prepared, items) if name != "test" or windows[name] else None,
        )

    of_side = [{prepared.items[i].group for i in items} for items in (split.train, split.validation, split.test)]
    divided = {group for groups in of_side for group in groups if sum(group in other for other in of_side) > 1}
    return SplitFacts(
        train=side("train", split.train),
        validation=side("validation", split.validation),
        test=side("test", split.test),
        drawn=split.drawn,
        divided_groups=len(divided),
        twins=None if twins is None else tuple(twins),
    )


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _write_items(path: Path, rows: list[ItemLoss]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(each.name for each in fields(ItemLoss))
    writer.writerows([plain_cell(v) if isinstance(v, str) else v for v in astuple(row)] for row in rows)
    _write_text(path, text.getvalue())
