"""Endings of files that are read elsewhere, or in another form: footage and spreadsheets."""

from __future__ import annotations

FOOTAGE = frozenset({
    ".3gp", ".aac", ".ac3", ".aif", ".aiff", ".avi", ".flac", ".flv", ".m2ts", ".m4a", ".m4v", ".mka", ".mkv", ".mov",
    ".mp3", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".oga", ".ogg", ".ogv", ".opus", ".ts", ".vob", ".wav", ".webm",
    ".wma", ".wmv",
})  # fmt: skip
"""Video and sound, in small letters: their features are computed."""
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
"""In small letters; their sheets have to be saved as CSV."""
