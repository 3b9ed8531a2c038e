"""How many interactions a learning curve needs to reach a level."""

from safebench.record.reached import interactions_to, interactions_to_final


def test_interactions_to_final():
    steps = [10, 20, 30, 40]
    assert interactions_to_final(steps, [-100.0, -11.0, -10.4, -10.0]) == 30
    assert interactions_to_final(steps, [-100.0, -10.5, -12.0, -10.0]) == 20  # first, even if it dips
    assert interactions_to_final(steps, [-20.0, -30.0, -900.0, -1000.0]) == 10  # better counts
    assert interactions_to_final(steps, [1.0, 94.9, 95.0, 100.0]) == 30  # positive returns
    assert interactions_to_final(steps, [None, None, -3.0, -3.0]) == 30
    assert interactions_to_final(steps, [-1.0, -1.0, -1.0, None]) is None
    assert interactions_to_final(steps, [-1.0, -0.1, 0.0, 0.0]) == 30


def test_interactions_to_a_level():
    steps = [10, 20, 30]
    assert interactions_to(steps, [-3.0, -1.0, -2.0], -2.0) == 20
    assert interactions_to(steps, [None, -3.0, -2.0], -2.0) == 30
    assert interactions_to(steps, [None, -3.0, -2.5], -2.0) is None
