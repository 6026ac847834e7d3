"""Turns files of the field into a corpus: CMU-MultimodalSDK, MMSA, MulT, Hugging Face datasets, NumPy arrays.

Each importer reads its files item by item where the format allows it and hands :class:`Sample` objects to one
:class:`~mmcore.data.importers.gathering.Gathering`, which writes the corpus and counts what was left out.
"""
