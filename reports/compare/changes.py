"""What differs between two reports, as plain data; refuses reports that were not scored on the same things."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mmcore.config import Overrides, Plain, RunConfig, flat
from mmcore.errors import RecordError
from reports.compare.source import Arm, Repeat, Report, Verdict
from reports.summary.methods import drawn_text

SAME_LOSS = 1e-6
"""Relative difference of two naive losses that is rounding, also between machines."""

ALL = "all"
"""Stands for an arm's name where every arm that both reports have changed in the same way."""


@dataclass(frozen=True)
class Change:
    """One setting that differs.

    Args:
        path: a dotted path of the config, or a name of the study's own settings.
        arm: the arm that it changed for; :data:`ALL`: every common arm; None: no arm's affair.
        a, b: the values. In a config None also stands for "the default" where this version cannot read a side's config
            and so does not know it.
    """

    path: str
    arm: str | None
    a: Any
    b: Any


@dataclass(frozen=True)
class ArmPair:
    """An arm in both reports; None where one has no arm of this name."""

    name: str
    a: Arm | None
    b: Arm | None


@dataclass(frozen=True)
class VerdictPair:
    """A comparison in both reports; None where one does not make it."""

    arm: str
    reference: str
    component: str | None
    a: Verdict | None
    b: Verdict | None

    @property
    def changed(self) -> bool:
        """Whether both have a verdict, and not the same one."""
        return self.a is not None and self.b is not None and self.a.verdict != self.b.verdict


@dataclass(frozen=True)
class Comparison:
    """Two reports side by side.

    Args:
        study: changes of the study's own settings: preset, repeats, metric, alpha, margin, reference and the like.
        config: changes in the configs of arms that both have.
        arms: every arm, those of A first.
        verdicts: every comparison, those of A first; on the metric before those by component.
        provenance: changes of corpus names, commits, versions and machines.
        repeats: number of repeats that both have finished, whose splits were found to be the same.
        shared_runs: trainings that are in both reports.
        task: what both predict, in words.
    """

    a: Report
    b: Report
    study: tuple[Change, ...]
    config: tuple[Change, ...]
    arms: tuple[ArmPair, ...]
    verdicts: tuple[VerdictPair, ...]
    provenance: tuple[Change, ...]
    repeats: int
    shared_runs: int
    task: str

    @property
    def changed(self) -> tuple[VerdictPair, ...]:
        """The comparisons of both whose verdict changed."""
        return tuple(pair for pair in self.verdicts if pair.changed)


def compare_reports(a: Report, b: Report) -> Comparison:
    """Hold two reports against each other.

    Reports may differ in anything but in what they were scored on. Numbers of reports with different metrics stand
    side by side, too: the change of metric is among the changes.

    Raises:
        RecordError: their corpora (by content), tasks or splits differ; says which, and in which repeat.
    """
    _refuse_unlike(a, b)
    # Scores of other code have no fingerprint, by which runs could be the same.
    runs_a, runs_b = ({run.fingerprint for run in side.provenance.runs if run.fingerprint} for side in (a, b))
    return Comparison(
        a=a,
        b=b,
        study=tuple(_study_changes(a, b)),
        config=tuple(_config_changes(a, b)),
        arms=tuple(_arms(a, b)),
        verdicts=tuple(_verdicts(a, b)),
        provenance=tuple(_provenance_changes(a, b)),
        repeats=len(_common_repeats(a, b)),
        shared_runs=len(runs_a & runs_b),
        task=_task(a),
    )


def _refuse_unlike(a: Report, b: Report) -> None:
    _same("corpora", a, b, _corpus, "Give both studies the same --corpus")
    _same("tasks", a, b, _task, "Give both studies the same task")
    _same("splits", a, b, _shares, "Give both studies the same split.*")
    for one, two in _common_repeats(a, b):
        place = f" in repeat {one.repeat}"
        if (one.train_groups, one.test_groups) != (two.train_groups, two.test_groups):
            sizes = [f"{r.train_groups} groups to train and {r.test_groups} to test{place}" for r in (one, two)]
            raise _refusal("splits", a, b, sizes[0], sizes[1], "Give both studies the same split.*")
        if one.targets != two.targets:
            scored = [f"targets {r.targets} of {r.items} items{place}" for r in (one, two)]
            raise _refusal("test items", a, b, scored[0], scored[1], "Give both studies the same data.* and split.*")
        if not _close(one.naive_loss, two.naive_loss):
            losses = [f"a naive loss of {r.naive_loss}{place}" for r in (one, two)]
            raise _refusal("targets", a, b, losses[0], losses[1], "Give both studies the same data.* and split.*")


def _same(what: str, a: Report, b: Report, value: Callable[[Report], str], next_step: str) -> None:
    if value(a) != value(b):
        raise _refusal(what, a, b, value(a), value(b), next_step)


def _refusal(what: str, a: Report, b: Report, expected: str, found: str, next_step: str) -> RecordError:
    return RecordError(
        f"reports cannot be compared because their {what} differ",
        expected=f"{expected}, as in A",
        found=f"{found}, in B",
        next_step=f"{next_step}, then run the one that changes again",
        where=f"{a.source} and {b.source}",
    )


def _corpus(report: Report) -> str:
    corpus = report.provenance.corpus
    return f"content {corpus.content} ({corpus.name})"


def _task(report: Report) -> str:
    kind = report.provenance.corpus.task or "no finished run tells its task"
    horizon = _config(report).get("task.horizon", 1)
    return f"{kind} {horizon} step{'' if horizon == 1 else 's'} ahead" if kind == "forecast" else kind


def _shares(report: Report) -> str:
    shares = [f"{path} = {value}" for path, value in sorted(_config(report).items()) if path.startswith("split.")]
    return f"{drawn_text(report.provenance.splits.drawn)}, {', '.join(shares) or 'default shares'}"


def _config(report: Report) -> Overrides:
    """Of the reference by dotted path: what is asked of it here is equal in all arms of a study."""
    configs = report.provenance.configs
    return flat(configs.get(report.reference or "") or next(iter(configs.values()), {}))


def _common_repeats(a: Report, b: Report) -> list[tuple[Repeat, Repeat]]:
    in_b = {r.repeat: r for r in b.provenance.splits.repeats}
    return [(r, in_b[r.repeat]) for r in a.provenance.splits.repeats if r.repeat in in_b]


def _close(one: float | None, two: float | None) -> bool:
    if one is None or two is None:
        return one is two
    return math.isclose(one, two, rel_tol=SAME_LOSS, abs_tol=1e-12)


def _differing(a: Mapping[str, object], b: Mapping[str, object], arm: str | None = None) -> Iterator[Change]:
    for path in dict.fromkeys((*a, *b)):
        if a.get(path) != b.get(path):
            yield Change(path, arm, a.get(path), b.get(path))


def _study_changes(a: Report, b: Report) -> Iterator[Change]:
    def told(report: Report) -> dict[str, object]:
        own = {
            "question": report.question,
            "metric": report.metric,
            "repeats": report.repeats,
            "first_repeat": report.first_repeat,
            "alpha": report.alpha,
            "margin": report.margin,
            "reference": report.reference,
            "preset": report.provenance.preset,
        }
        return own | flat(report.provenance.match or {}, "match.") | flat(report.provenance.changes, "--set ")

    yield from _differing(told(a), told(b))


def _config_changes(a: Report, b: Report) -> Iterator[Change]:
    """Common changes first, then what changed for some arms only. Where the corpus lies is provenance."""
    configs_a, configs_b = a.provenance.configs, b.provenance.configs
    common = [name for name in configs_a if name in configs_b]
    by_arm: dict[str, list[Change]] = {}
    for name in common:
        whole = [_whole(configs[name]) for configs in (configs_a, configs_b)]
        one, two = whole if None not in whole else (configs_a[name], configs_b[name])
        by_arm[name] = [c for c in _differing(flat(one or {}), flat(two or {}), name) if c.path != "corpus"]
    told: list[tuple[str, Any, Any]] = []
    for change in by_arm[common[0]] if common else ():
        same = (change.path, change.a, change.b)
        if all(same in [(c.path, c.a, c.b) for c in changes] for changes in by_arm.values()):
            told.append(same)
            yield Change(change.path, ALL, change.a, change.b)
    for changes in by_arm.values():
        yield from (c for c in changes if (c.path, c.a, c.b) not in told)


def _whole(config: Plain) -> Plain | None:
    """A config with its defaults; None where this version cannot read it."""
    try:
        return RunConfig.model_validate(config).model_dump(mode="json")
    except ValidationError:
        return None


def _arms(a: Report, b: Report) -> Iterator[ArmPair]:
    in_a, in_b = ({arm.name: arm for arm in side.arms} for side in (a, b))
    for name in dict.fromkeys((*in_a, *in_b)):
        yield ArmPair(name, in_a.get(name), in_b.get(name))


def _verdicts(a: Report, b: Report) -> Iterator[VerdictPair]:
    in_a, in_b = ({v.key: v for v in side.comparisons} for side in (a, b))
    keys = dict.fromkeys((*in_a, *in_b))
    for key in sorted(keys, key=lambda k: k[2] is not None):
        yield VerdictPair(*key, in_a.get(key), in_b.get(key))


def _provenance_changes(a: Report, b: Report) -> Iterator[Change]:
    def told(report: Report) -> dict[str, object]:
        known = report.provenance
        environment = known.environment.model_dump(exclude={"packages"})
        packages: dict[str, list[str]] = {}
        for versions in known.environment.packages:
            for name, version in versions.items():
                if version is not None and version not in packages.setdefault(name, []):
                    packages[name].append(version)
        own = {"corpus": known.corpus.name, "mmstudy": known.mmstudy, "uncommitted changes": environment.pop("dirty")}
        return {**own, **environment, **packages}

    yield from _differing(told(a), told(b))
