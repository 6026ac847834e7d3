"""The one path from a finished run to the answer of an analysis."""

from __future__ import annotations

import time

from mmcore.analyses import (
    AnyAnalysis,
    AttentionAnalysis,
    CoalitionsAnalysis,
    CorruptionAnalysis,
    ErrorsAnalysis,
    GatesAnalysis,
)
from mmcore.answers.answer import Answer, Result
from mmcore.model.precision import tensor_cores
from mmcore.probes.attention.probe import probe_attention
from mmcore.probes.coalitions.probe import probe_coalitions
from mmcore.probes.corruption.probe import probe_corruption
from mmcore.probes.error_analysis.probe import probe_errors
from mmcore.probes.gates.probe import probe_gates
from mmcore.trained import Trained
from mmcore.training.threads import with_threads


def analyse(trained: Trained, analysis: AnyAnalysis) -> Answer[Result]:
    """Put a question to the model of a finished run; nothing of the run is changed.

    Args:
        trained: from :func:`mmcore.trained.open_trained`. analysis: one that applies to the run.

    Returns:
        The answer with a result of the analysis's kind.
    """
    clock = time.perf_counter()
    with with_threads(trained.config.threads), tensor_cores(trained.config.training.precision, trained.device):
        result = _probe(trained, analysis)
    return Answer(
        kind=analysis.kind,
        settings=analysis,
        version=analysis.version,
        seconds=time.perf_counter() - clock,
        result=result,
    )


def _probe(trained: Trained, analysis: AnyAnalysis) -> Result:
    match analysis:
        case AttentionAnalysis():
            return probe_attention(trained, analysis)
        case CoalitionsAnalysis():
            return probe_coalitions(trained, analysis)
        case CorruptionAnalysis():
            return probe_corruption(trained, analysis)
        case ErrorsAnalysis():
            return probe_errors(trained, analysis)
        case GatesAnalysis():
            return probe_gates(trained, analysis)
