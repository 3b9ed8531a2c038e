"""Settings: read from text, with their types."""

import pytest

from safebench.runs import settings


def test_settings_keep_their_types():
    from safebench.baselines.shac import Config

    changed = settings.with_options(Config(), {"discount": "1", "value_hidden": "[8, 8]"}, "learner")
    assert changed.discount == 1.0
    assert changed.value_hidden == (8, 8)
    for name, value in (("window", "2.5"), ("normalise", "1"), ("value_hidden", "(8, 'x')"), ("window", "x")):
        with pytest.raises(ValueError, match=name):
            settings.with_options(Config(), {name: value}, "learner")
