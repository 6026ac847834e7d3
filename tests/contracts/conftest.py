"""Promises live in a module of their own; its assertions are to be explained like those of tests."""

import pytest

pytest.register_assert_rewrite("contracts.model_contract", "contracts.weighting_contract")
