"""Attention of a trained model: where it looks, what flows between modalities, and whether the pictures are true."""
