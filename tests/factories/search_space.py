"""The text of a small study that searches, to which a search block is added."""

from __future__ import annotations

BASE = """\
question: Does tuning help?
preset: null
repeats: 2
reference: base
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8}
  training: {epochs: 9, batch: 8}
arms:
  base: {}
search:
"""
RATE = "training.optimiser.learning_rate: {kind: log_uniform, low: 1e-5, high: 1e-1, points: 5, role: scientific}"
LAYERS = "model.layers: {kind: int, low: 1, high: 3, role: scientific}"
