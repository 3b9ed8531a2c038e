"""Presets: every one makes a safeguard."""

import pytest

from safebench.runs import presets


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_resolves(name):
    _, module, config = presets.resolve(name)
    assert callable(module.make(config))
