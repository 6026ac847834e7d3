"""What a study's analyses must obey, before anything is trained for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmcore.analyses import AnyAnalysis, CoalitionsAnalysis, ErrorsAnalysis, applies, refuse_inexact
from mmcore.config import RunConfig
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.schema import CorpusSchema
from mmcore.yamlfile import Place, YamlFile


def refuse_endless(
    analyses: Sequence[AnyAnalysis], configs: Iterable[RunConfig], schema: CorpusSchema, written: YamlFile
) -> None:
    """Nothing may be asked of a run that it could only refuse once it is trained.

    Args:
        analyses: of the study, in the order in which they are written. configs: of the runs that will be asked.

    Raises:
        StudyError: all subsets of too many modalities.
    """
    chosen = [(config, schema.chosen(config.model.modalities)) for config in configs]
    listed = isinstance(written.data.get("analyses"), list)
    for index, analysis in enumerate(analyses):
        if not isinstance(analysis, CoalitionsAnalysis):
            continue
        place: Place = ("analyses", index) if listed else ("analyses",)
        asked = [len(modalities) for config, modalities in chosen if applies(analysis, config, modalities)]
        try:
            refuse_inexact(max(asked, default=0), analysis.samples)
        except ConfigError as error:
            raise StudyError(
                error.rule, found=error.found, next_step=error.next_step, where=written.where(place)
            ) from None


def refuse_unknown_columns(analyses: Sequence[AnyAnalysis], columns: Sequence[str], written: YamlFile) -> None:
    """Errors are compared by columns that items.csv has.

    Args:
        analyses: of the study, in the order in which they are written. columns: of items.csv, besides item, group and
            split.

    Raises:
        StudyError: an analysis names another one.
    """
    listed = isinstance(written.data.get("analyses"), list)
    for index, analysis in enumerate(analyses):
        for column in (isinstance(analysis, ErrorsAnalysis) and analysis.columns) or ():
            if column not in columns:
                place: Place = ("analyses", index) if listed else ("analyses",)
                raise StudyError(
                    "errors can be compared by a column of items.csv besides item, group and split",
                    found=f"'{column}'",
                    next_step=nearest(column, list(columns)),
                    where=written.where(place),
                )
