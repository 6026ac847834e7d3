"""Computational sequences of CMU-MultimodalSDK: HDF5 files with features and intervals by item.

``ROOT/data/ITEM/features`` (T, F) and ``ROOT/data/ITEM/intervals`` (T, 2) in seconds, ``ROOT/metadata``. Labels are such a
sequence, too. Items named ``video[3]`` are segments of a video. Source: Zadeh et al. 2018, "Multi-attention recurrent
network for human communication comprehension", and the files of its SDK.

T rows, F columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.data.importers.csd_file import Sequence as CsdSequence
from mmcore.data.importers.csd_file import open_sequence
from mmcore.data.importers.gathering import Gathering
from mmcore.data.importers.labels import finite
from mmcore.data.importers.published import video_of
from mmcore.data.importers.rows import STEP
from mmcore.data.importers.sample import Imported, Options, Sample, Stream, some
from mmcore.data.sources.writing import new_corpus
from mmcore.errors import CorpusError, nearest

MOSEI = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
"""Columns of the labels of CMU-MOSEI, in the order of the SDK's documentation."""
