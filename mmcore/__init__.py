"""The model and the data: what a run is, and how it is trained and measured."""

__version__ = "0.1.0"
