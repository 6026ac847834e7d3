"""The words by which files and columns are recognised, and how a name falls into words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from mmcore.language import sentence


def split(text: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(text.split())


MODALITIES = frozenset(
    split(
        "audio sound speech voice acoustic prosody covarep opensmile egemaps mfcc wav2vec hubert music "
        "visual video vision image images frames face facet openface clip dino pose body gaze hands landmarks motion "
        "text language transcript transcripts subtitles subtitle sentences words bert glove captions "
        "imu accelerometer gyroscope acc gyro eeg ecg emg eda gsr ppg physio heart sensor sensors watch depth thermal "
        "音声 映像 動画 画像 字幕 文章 表情 姿勢"
    )
)
"""Streams that a model reads."""
COUNTED = frozenset(
    split("clip video videos image images frames speech text face body music words sentences 動画 画像")
)
"""Modalities whose words also count items: ``clip_07`` is an item, ``clip`` a modality."""
LABELS = frozenset(
    split(
        "label labels target targets annotation annotations gold truth groundtruth gt rating ratings class classes "
        "emotion emotions sentiment valence arousal outcome ラベル 正解 感情"
    )
)
"""Tables and columns that are predicted."""
DESCRIPTIONS = frozenset(
    split(
        "items item metadata meta info participants participant subjects subject speakers speaker split splits folds "
        "demographics index manifest files sessions overview"
    )
)
"""Tables with one row an item that describe items."""
ITEMS = split(
    "item items video videos clip clips recording recordings file files filename session sessions sample samples "
    "utterance episode trial name id uid key 動画 項目"
)
"""Columns that name items, the surest first."""
GROUPS = split("group speaker subject participant person actor user patient author performer player 話者 被験者 参加者")
"""Columns that name what must never be split between training and test, the surest first."""
SPLITS = frozenset(split("split set subset partition fold"))
SIDES = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "te", "eval"), "test"),
}
"""How others write the three sides."""
NO_ITEMS = frozenset(split("features feature data table tables all raw processed train test val dev"))
"""Words that belong to a file's name and name no item."""
CODES = frozenset(split("id ids uid index idx row nr no number code key"))
"""Columns of numbers that name something and measure nothing."""
CLASSES = frozenset(split("class classes cluster category type state kind phoneme scene shot speaker label emotion"))
"""Columns whose whole numbers are codes of classes."""
EMBEDDINGS = frozenset(
    split(
        "emb embed embedding embeddings vec vector clip bert glove w2v wav2vec hubert dino resnet vit roberta sbert "
        "sentence feat latent"
    )
)
"""Numbered columns that belong together as one vector."""

TEXTS = frozenset(split("text sentence sentences transcript transcription utterance words subtitle 字幕 文章"))
"""Columns of free text."""
TIMES = split(
    "timestamp timestamps time times t ts seconds second secs sec s ms msec millis milliseconds us usec microseconds "
    "ns nanoseconds 時刻 時間 frame frames framenumber"
)
"""Columns of times, the surest first; a frame number only where there is nothing better."""
STARTS = frozenset(split("start starts begin onset from tmin t0 xmin 開始"))
ENDS = frozenset(split("end ends stop offset to tmax t1 xmax finish 終了"))
DURATIONS = frozenset(split("duration dur length 長さ"))
FRAMES = frozenset(split("frame frames framenumber"))
UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), 1e-9),
}
"""A unit in a column's name to its seconds."""
RATES = frozenset(split("fps rate hz sr sampling_rate samplingrate samplerate sample_rate framerate frame_rate"))
"""Single numbers in an archive that give rows a second."""
SENTINELS = (-999.0, -9999.0, -99999.0, -999999.0, -1e30, 1e30)
"""Numbers that usually stand for no value."""


@lru_cache(maxsize=10_000)
def tokens(name: str) -> tuple[str, ...]:
    """A name's words in lower case.

    Example:
        >>> tokens("startTime_ms")
        ('start', 'time', 'ms')
        >>> tokens("clip-07")
        ('clip', '07')
    """
    plain = unicodedata.normalize("NFKC", name).replace("µ", "u").replace("μ", "u")
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    return tuple(word.lower() for word in re.split(r"[\W_]+", plain) if word)


def holds(name: str, words: frozenset[str]) -> bool:
    """Whether one of a name's words, without the number or the plural at its end, is among these."""
    bare = [word.rstrip("0123456789") for word in tokens(name)]
    return any(word in words for word in [*tokens(name), *bare, *(word.removesuffix("s") for word in bare)])


def names_stream(name: str) -> bool:
    """Whether a name says that it is a modality or a table of labels.

    Example:
        >>> names_stream("visual_features"), names_stream("clip"), names_stream("clip_07")
        (True, True, False)
    """
    words = MODALITIES | LABELS
    return holds(name, words - COUNTED if re.search(r"\d", name) else words)


def common(names: Sequence[str], limit: int = 5) -> str:
    """The first few names, for a sentence."""
    text, more = names[0] if names else "", len(names) - limit
    for name in names[1:limit]:
        text = sentence("{first}, {second}", first=text, second=name)
    return sentence("{names} and {n} more", names=text, n=more) if more > 0 else text
