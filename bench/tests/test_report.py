"""The page says what was measured, what was missed and why."""

from pathlib import Path
from xml.etree import ElementTree

from bench import report, results
from bench.arithmetic import Ratio
from bench.chart import chart
from bench.goals import Suite
from bench.results import Findings

RESULTS: dict[Suite, Findings] = {
    "tokens": Findings(5, {"refresh-8-rate": Ratio(4, 3.5, 4.4), "verify": Ratio(1.9, 1.8, 2)}),
    "growth": Findings(5, {"growth-status": Ratio(1.1, 1, 1.2)}, ["A plan."]),
}


def test_only_missed_goals_need_a_reason() -> None:
    """A reader finds each miss explained, or learns that it is not."""
    text = report.page(RESULTS, command="make bench", peers="peers 1.0")

    assert "| ≥ 3.5 | **4.00** | 3.50 to 4.40 | reached |" in text
    assert "| ≤ 1.3 | **1.90** | 1.80 to 2.00 | not reached |" in text
    assert text.count("- *") == 1
    assert "A plan." in text
    assert "make bench" in text


def test_a_kept_run_comes_back_as_it_went(tmp_path: Path) -> None:
    """Running one suite again keeps the others' figures."""
    file = tmp_path / "results.json"

    assert results.load(file) == {}
    results.save(RESULTS, file)

    assert results.load(file) == RESULTS


def test_the_chart_has_a_mark_for_every_figure() -> None:
    """The drawing is well-formed and misses differ in colour."""
    root = ElementTree.fromstring(chart(RESULTS))  # noqa: S314 # our own drawing
    circles = [node for node in root.iter() if node.tag.endswith("circle")]

    assert len(circles) == 3
    assert len({circle.get("fill") for circle in circles}) == 2
