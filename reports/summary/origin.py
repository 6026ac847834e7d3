"""Where a report's numbers come from: corpus, code, machine, runs, and the command that rebuilds it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from mmcore.config import ForeignConfig, RunConfig
from mmcore.facts import Drawn
from mmcore.frozen import without_defaults
from mmcore.language import later, say
from mmcore.record import Run
from reports.model.provenance import CorpusRead, MadeWith, Provenance, RunName
from reports.numbers import counted, listing, percent, prose
from reports.records.frame import StudyResults
from reports.records.origin import Foreign, Origin
from reports.summary.methods import drawn_text
from reports.summary.splits import splits_of
from studies.resolved import AnyStudy

T = TypeVar("T", bound=Hashable)


def facts_of(results: StudyResults) -> tuple[tuple[str, str], ...]:
    """Provenance for people: (label, value), without what is not known; a label is a key, said where it is shown."""
    study, corpus, runs, caller = results.study, results.corpus, results.runs, results.origin
    made = made_with(runs)
    facts: list[tuple[str, object]] = [
        (later("Command"), caller.command),
        (later("Rebuild this report"), caller.rebuild),
        (later("Study file"), caller.study_file),
        (later("Preset"), study.preset),
        (later("Changed on the command line"), ", ".join(f"{k}={v}" for k, v in study.changes.items())),
        (later("Repeats"), _numbered(study)),
        (later("Matched"), _matched(study)),
        (later("Corpus"), corpus.name),
        (later("Corpus content"), corpus.content),
        (later("Corpus path"), corpus.path),
        (later("Modalities"), ", ".join(corpus.modalities)),
        (later("Task"), corpus.task),
        (later("Groups"), _groups(results.done, results.drawn)),
        ("mmstudy", caller.mmstudy),
        (later("Commit"), _joined(made.commit)),
        (later("Uncommitted changes"), _dirty(runs)),
        ("Python", _joined(made.python)),
        (later("Packages"), _packages(made.packages)),
        (later("Platform"), _joined(made.platform)),
        (later("Device"), _joined(made.device)),
        (later("Threads"), _joined(made.threads)),
        (later("Several runs as one batch"), _packs(runs)),
        (later("First run started"), min((run.started for run in runs if run.started), default="")),
        (later("Last run finished"), max((run.finished for run in runs), default="")),
        (later("Home"), caller.home),
        *_of_foreign(results.foreign),
    ]
    return tuple((label, str(value)) for label, value in facts if value)


def provenance_of(results: StudyResults) -> Provenance:
    """The same for programs, with every run and every arm's config (without defaults)."""
    study, corpus, known = results.study, results.corpus, bool(results.corpus.content)
    return Provenance(
        **asdict(results.origin),
        preset=study.preset,
        changes=dict(study.changes),
        match=None if study.match is None else study.match.model_dump(),
        corpus=CorpusRead(
            corpus.name or None,
            corpus.content or None,
            corpus.path or None,
            corpus.task or None,
            corpus.leaky if known else None,
            corpus.missing if known else None,
        ),
        splits=splits_of(results),
        environment=made_with(results.runs),
        configs={arm.name: _placed(arm.config, results.origin) for arm in study.arms},
        runs=tuple(
            RunName(run.arm, run.repeat, run.fingerprint, run.status, run.reused_from(study.name))
            for run in results.runs
        ),
    )


def _placed(config: RunConfig | ForeignConfig, origin: Origin) -> Mapping[str, Any]:
    """A config without defaults, its corpus named as in the rest of the report."""
    if isinstance(config, ForeignConfig):
        return config.settings
    plain = without_defaults(config)
    return plain if origin.corpus_path is None else plain | {"corpus": origin.corpus_path}


def made_with(runs: Sequence[Run]) -> MadeWith:
    """What runs say about how they were made."""
    every = [run.environment for run in runs]
    packages = _distinct([tuple(sorted(one.packages.items())) for one in every])
    return MadeWith(
        commit=_distinct([one.commit for one in every]),
        dirty=_distinct([one.dirty for one in every]),
        python=_distinct([one.python for one in every]),
        torch=_distinct([one.torch for one in every]),
        platform=_distinct([one.platform for one in every]),
        device=_distinct([run.device for run in runs]),
        threads=_distinct([one.threads for one in every]),
        numerics=_distinct([run.numerics for run in runs]),
        packages=tuple(map(dict, packages)),
    )


def _of_foreign(foreign: Foreign | None) -> Sequence[tuple[str, object]]:
    """How scores of other code were read and compared."""
    if foreign is None:
        return ()
    return (
        *foreign.notes,
        (later("Compared"), _compared(foreign)),
        (later("Repeats"), ", ".join(f"{i} = {name}" for i, name in enumerate(foreign.repeats))),
    )


def _compared(foreign: Foreign) -> str:
    return prose(say("repeat by repeat.") if foreign.paired else say("unpaired."), foreign.pairing)


def _packs(runs: Sequence[Run]) -> str:
    """How many runs were trained with others, and why the rest was not; empty where none was to be."""
    sizes = [run.hardware.packed for run in runs if run.hardware.packed is not None]
    whys = _distinct([run.hardware.unpacked for run in runs])
    if not sizes:
        return prose(*(say("none: {why}.", why=why) for why in whys))
    facts = {"n": len(sizes), "all": len(runs), "most": max(sizes)}
    found = say("{n} of {all}, at most {most} together.", **facts)
    return prose(found, *(say("One by one: {why}.", why=why) for why in whys))


def _numbered(study: AnyStudy) -> str:
    """Which repeats, where they are not the first ones: they share no split and no seed with those before."""
    numbers = study.numbers
    return say("{low} to {high}", low=numbers[0], high=numbers[-1]) if numbers[0] else ""


def _matched(study: AnyStudy) -> str:
    if study.match is None:
        return ""
    return say(
        "by {size}, to {tolerance} of arm '{reference}'",
        size=study.match.by,
        tolerance=percent(study.match.tolerance),
        reference=study.reference,
    )


def _distinct(values: Sequence[T | None]) -> tuple[T, ...]:
    """Each value once, in order; without what is not known."""
    return tuple(dict.fromkeys(value for value in values if value is not None))


def _joined(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _dirty(runs: Sequence[Run]) -> str:
    known = [dirty for run in runs if (dirty := run.environment.dirty) is not None]
    if not known:
        return ""
    if not any(known):
        return say("none")
    return say("in {runs} of {all}", runs=counted(sum(known), "run"), all=len(runs))


def _groups(done: Sequence[Run], drawn: Drawn) -> str:
    done = [run for run in done if run.split.sides]
    if not done:
        return ""
    parts = [f"{part} {_span([run.split.groups(part) for run in done])}" for part in ("train", "test")]
    return say("{sides}, {drawn}", sides=listing(parts), drawn=say(drawn_text(drawn)))


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}–{high}"


def _packages(every: Sequence[Mapping[str, str | None]]) -> str:
    versions: dict[str, list[str]] = {}
    for packages in every:
        for name, version in packages.items():
            if version is not None and version not in versions.setdefault(name, []):
                versions[name].append(version)
    return ", ".join(f"{name} {'/'.join(found)}" for name, found in versions.items())
