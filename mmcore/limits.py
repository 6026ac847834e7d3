"""Limits that no experiment of use reaches: what passes them is a slip of the finger, and is refused before any work.

They stand in the types of configs, studies and corpora, so that a refusal names its limit. No torch.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

LARGEST = 1_000_000_000
"""Of any whole number without a limit of its own."""

MOST_REPEATS = 10_000
MOST_ARMS = 1_000
MOST_RUNS = 100_000
MOST_COMPARISONS = 100_000
MOST_SETTINGS = 2_000
"""Overrides of one arm."""
MOST_TRIALS = 100_000
MOST_CELLS = 100_000
"""Settings of a grid, and values of one hyperparameter."""
MOST_TRACKS = 10_000
MOST_CLASSES = 100_000
MOST_OUTPUTS = 1_000_000
"""Numbers that a model puts out for one step: over all tracks, parameters and classes."""
MOST_COLUMNS = 200_000
"""Columns of one modality."""

Width = Annotated[int, Field(gt=0, le=65_536)]
Depth = Annotated[int, Field(gt=0, le=1_024)]
DepthOrNone = Annotated[int, Field(ge=0, le=1_024)]
FeedForward = Annotated[int, Field(gt=0, le=1_048_576)]
Million = Annotated[int, Field(gt=0, le=1_000_000)]
Thousand = Annotated[int, Field(gt=0, le=1_000)]
Window = Annotated[int, Field(gt=0, le=10_000_000)]
RepeatCount = Annotated[int, Field(gt=0, le=MOST_REPEATS)]
TrialCount = Annotated[int, Field(gt=0, le=MOST_TRIALS)]
