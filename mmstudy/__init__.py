"""Ablation studies for multimodal sequence models, from Python.

    import mmstudy

    outcome = mmstudy.run_study("track_vs_multimodal")
    print(outcome)

This package is the public face: docs/python.md lists its names and says what may change between versions. Everything
else that is installed with it is private. Importing it costs nothing: each name is imported at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mmstudy_start import refuse_hidden_packages

refuse_hidden_packages()

from mmcore import __version__ as __version__  # noqa: E402 - only once it is known to be ours

if TYPE_CHECKING:
    from experiments.checking import check as check
    from experiments.corpus import Corpus as Corpus
    from experiments.corpus import ModalityData as ModalityData
    from experiments.corpus import TargetData as TargetData
    from experiments.driver import run_study as run_study
    from experiments.judge import judge as judge
    from experiments.loading import load as load
    from mmcore.errors import MMStudyError as MMStudyError
    from studies.study import Study as Study

_HOMES = {
    "Corpus": "experiments.corpus",
    "MMStudyError": "mmcore.errors",
    "ModalityData": "experiments.corpus",
    "Study": "studies.study",
    "TargetData": "experiments.corpus",
    "check": "experiments.checking",
    "judge": "experiments.judge",
    "load": "experiments.loading",
    "run_study": "experiments.driver",
}
"""Where each public name lives."""

__all__ = [  # noqa: RUF022 - what one does first stands first
    "run_study", "judge", "check", "load", "Study", "Corpus", "ModalityData", "TargetData", "MMStudyError",
    "__version__",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(
            f"mmstudy has no public name '{name}'. Public names: {', '.join(sorted(_HOMES))}; see docs/python.md"
        )
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
