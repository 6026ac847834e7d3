"""A schema to resolve studies against."""

import pytest

from mmcore.schema import CorpusSchema


@pytest.fixture
def schema() -> CorpusSchema:
    return CorpusSchema.model_validate(
        {
            "format": 1,
            "name": "toy",
            "step": 0.1,
            "reference": "track",
            "modalities": {
                "audio": {"features": [{"name": "energy"}]},
                "visual": {"features": [{"name": "motion"}]},
                "track": {"features": [{"name": "{0..1}_active", "kind": "binary"}, {"name": "{0..1}_x"}]},
            },
            "targets": {
                "from": "track",
                "tracks": 2,
                "parameters": [
                    {"name": "active", "kind": "binary", "component": "active"},
                    {"name": "x", "component": "position", "when": "active"},
                ],
            },
        }
    )
