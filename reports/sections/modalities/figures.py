"""The figures of this section, in its order. Importing this file imports the drawing library."""

from __future__ import annotations

from reports.figures.base import FigureBase
from reports.records.frame import StudyResults
from reports.sections.modalities.figures_effects import ModalityEffects
from reports.sections.modalities.figures_interplay import ModalityAdditive, ModalityInterplay
from reports.sections.modalities.figures_masks import ModalityMasks
from reports.sections.modalities.section import shown_dossiers
from reports.sections.modalities.tests import assess


def figures(results: StudyResults) -> tuple[FigureBase, ...]:
    """Those to which the section refers."""
    dossiers = shown_dossiers(results, assess(results))
    return tuple(figure(dossiers) for figure in (ModalityEffects, ModalityInterplay, ModalityAdditive, ModalityMasks))
