"""Endings of files of video and sound, for those that compute features of them and those that send there."""

from __future__ import annotations

FOOTAGE = frozenset({
    ".3gp", ".aac", ".ac3", ".aif", ".aiff", ".avi", ".flac", ".flv", ".m2ts", ".m4a", ".m4v", ".mka", ".mkv", ".mov",
    ".mp3", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".oga", ".ogg", ".ogv", ".opus", ".ts", ".vob", ".wav", ".webm",
    ".wma", ".wmv",
})  # fmt: skip
"""In small letters."""
