"""The figures of this section, in its order. Importing this file imports the drawing library."""

from __future__ import annotations

from reports.figures.base import FigureBase
from reports.records.frame import StudyResults
from reports.sections.attention.figures_faithfulness import AttentionFaithfulness
from reports.sections.attention.figures_flow import AttentionFlow
from reports.sections.attention.figures_heads import AttentionHeads
from reports.sections.attention.figures_maps import AttentionMaps
from reports.sections.attention.figures_reach import AttentionReach


def figures(results: StudyResults) -> tuple[FigureBase, ...]:
    """Those to which the section refers."""
    all_of_them = (AttentionFaithfulness, AttentionReach, AttentionMaps, AttentionHeads, AttentionFlow)
    return tuple(figure(results) for figure in all_of_them)
