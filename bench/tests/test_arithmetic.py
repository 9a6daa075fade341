"""The figures on the page are what their names say."""

import pytest

from bench.arithmetic import Ratio, percentile, ratio
from bench.goals import GOALS, Goal


def test_a_percentile_is_a_value_that_was_seen() -> None:
    """Nearest rank: 99 of 100 values do not exceed the 99th."""
    values = [float(value) for value in range(100, 0, -1)]

    assert [percentile(values, percent) for percent in (1, 50, 95, 99, 100)] == [1, 50, 95, 99, 100]
    assert percentile([7.0], 99) == 7.0


def test_a_slow_spell_that_hits_both_sides_leaves_the_ratio_alone() -> None:
    """Ratios are taken within a round, where both sides met the same machine."""
    assert ratio([30, 3, 30], [10, 1, 10]) == Ratio(median=3, low=3, high=3)


def test_the_spread_is_the_lowest_and_the_highest_round() -> None:
    """One odd round widens the spread and does not move the median."""
    assert ratio([2, 9, 3], [1, 1, 1]) == Ratio(median=3, low=2, high=9)


def test_rounds_that_do_not_pair_up_are_refused() -> None:
    """A missing turn must not be compared with another round's."""
    with pytest.raises(ValueError, match="shorter"):
        ratio([1, 2], [1])
    with pytest.raises(ValueError, match="no rounds"):
        ratio([], [])


@pytest.mark.parametrize(
    ("sense", "median", "reached", "margin"),
    [("≥", 5.0, True, 2.5), ("≥", 1.0, False, 0.5), ("≤", 1.0, True, 2.0), ("≤", 4.0, False, 0.5)],
)
def test_a_goal_is_judged_by_the_median(
    sense: str, median: float, reached: bool, margin: float
) -> None:
    """The margin is above 1 exactly when the goal is reached, whichever way it points."""
    goal = Goal("id", "tokens", "what", "against", "≥" if sense == "≥" else "≤", 2.0)

    assert goal.is_reached(Ratio(median, 0.1, 100)) is reached
    assert goal.margin(median) == margin


def test_no_two_goals_share_an_id() -> None:
    """Findings and reasons are filed by id."""
    assert len({goal.id for goal in GOALS}) == len(GOALS)
