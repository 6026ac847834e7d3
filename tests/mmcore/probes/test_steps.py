"""Losses by step add up to the losses that are scored."""

import torch

from mmcore.config import DataConfig, Forecast
from mmcore.data.loader import Loader
from mmcore.data.normalisation import fit_normaliser
from mmcore.probes.steps import by_component, step_losses
from mmcore.training.losses import layout_of, row_losses


def test_steps_add_up_to_rows(prepared):
    targets = prepared.schema.targets
    layout = layout_of(targets)
    loader = Loader(prepared, fit_normaliser(prepared, range(12)), DataConfig(), Forecast(), ("track",), range(6), 8)
    batch = next(loader.batches())
    outputs = torch.randn(*batch.target_BTKP.shape[:3], targets.outputs, generator=torch.Generator().manual_seed(1))
    sums, counts = step_losses(outputs, batch, layout)
    expected, number = row_losses(outputs, batch, layout, dtype=torch.float64)
    torch.testing.assert_close(sums.sum(1), expected)
    torch.testing.assert_close(counts.sum(1), number)
    mean = by_component(sums, counts, layout)
    assert torch.equal(mean[..., 0].isnan(), counts[..., 0] == 0)
    at = int((counts[0, :, 2] == 2).nonzero()[0])
    assert mean[0, at, 2] == sums[0, at, 2] / 2
