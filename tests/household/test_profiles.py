"""A household's profiles: what is invented, what is cut from them, what is read."""

import jax.numpy as jnp
import numpy as np
import pytest

from safebench.household import profiles
from safebench.sets.polytope import box


def test_the_invented_year_is_clipped_to_the_box_and_nothing_else_changes():
    wide, narrow = (profiles.invented_year(box([-limit], [limit])) for limit in (60.0, 5.0))
    assert np.abs(wide[:, 2]).max() > 20
    np.testing.assert_array_equal(narrow[:, 2], np.clip(wide[:, 2], -5, 5))
    np.testing.assert_array_equal(narrow[:, :2], wide[:, :2])
    assert (profiles.invented_year(box([-60.0], [60.0]), seed=1) != wide).any()


def test_the_heating_season_is_november_to_march():
    hours = np.arange(8760)
    season = profiles.heating_season(hours)
    months = np.repeat(np.arange(1, 13), 24 * np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]))
    order = [11, 12, 1, 2, 3]
    assert list(dict.fromkeys(months[season].tolist())) == order
    assert len(season) == np.isin(months, order).sum()
    # Of a part of the year: its rows, not its hours.
    assert profiles.heating_season(hours[8000:]).tolist() == list(range(760))


def test_after_the_last_hour_comes_the_first():
    rows = np.arange(30.0).reshape(10, 3)
    np.testing.assert_array_equal(profiles.hour_of(rows, jnp.asarray(12)), rows[2])


def test_hours_are_read_in_order(tmp_path):
    path = tmp_path / "year.csv"
    path.write_text(",".join(profiles.COLUMNS) + "\n7,1,2,3\n5,4,5,6\n")
    hours, values = profiles.read_hours(path)
    assert hours.tolist() == [5, 7]
    assert values.tolist() == [[4, 5, 6], [1, 2, 3]]
    for line, message in (
        ("7,1,2", "could not convert"),
        ("7.5,1,2,3", "whole number"),
        ("nan,1,2,3", "whole"),
    ):
        path.write_text(",".join(profiles.COLUMNS) + f"\n{line}\n")
        with pytest.raises(ValueError, match=message):
            profiles.read_hours(path)
