"""Words that the project no longer uses are found wherever they hide."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from dev import retired_words
from dev.retired_words import ROOT, WORDS, WordList

LIST = WordList(
    {
        "exclude": [{"path": "*/migrations/*"}],
        "retired": [
            {"word": "wish", "forms": ["wishes"], "use": "request"},
            {"word": "dead letter", "forms": ["dead letters"], "use": "failed event"},
            {"word": "a try", "use": "attempt"},
            {
                "name": "Truth",
                "use": "StripeSnapshot",
                "paths": ["billing/*"],
                "allow": [{"path": "billing/models.py", "text": "db_column="}],
            },
            {"name": "*_TRIES", "use": "attempts"},
        ],
    }
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("the user's wish", "wish"),
        ("Wishes are kept.", "Wishes"),
        ("def open_wish(): ...", "wish"),
        ("class SubscribeWish: ...", "Wish"),
        ("WISH_SECONDS = 3", "WISH"),
        ("count_dead_letters()", "dead_letters"),
        ("# stored as a dead\n# letter until then", "dead # letter"),
        ("a try that failed", "a try"),
        ("MAX_TRIES = 3", "MAX_TRIES"),
    ],
)
def test_a_retired_word_is_found_in_prose_and_inside_names(text: str, word: str) -> None:
    """Splitting at underscores and capitals leaves it no place to hide."""
    assert [finding.word for finding in LIST.check("auth/x.py", text)] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "wishful = 1",
        "the dead. Letters follow",
        "value = a\ntry:\n    pass",
        "truth",
        "the Truth outside its folder",
        "ENTRIES = 3",
    ],
)
def test_other_words_and_the_languages_own_are_left_alone(text: str) -> None:
    """A check that cries at plain Python would be ignored soon."""
    assert LIST.check("auth/x.py", text) == []


def test_a_finding_names_the_line_and_the_replacement() -> None:
    """One line is enough to mend it."""
    (finding,) = LIST.check("auth/x.py", "first\nsecond\na wish\n")

    assert str(finding) == "auth/x.py:3: 'wish' is retired; use: request"


def test_the_name_of_a_file_counts() -> None:
    """A module is a name, too."""
    (finding,) = LIST.check("auth/wish.py", "")

    assert (finding.line, finding.word) == (0, "wish")


def test_exceptions_hold_for_their_place_alone() -> None:
    """A column's old name stays where the column is declared, and nowhere else."""
    assert LIST.check("billing/models.py", 'db_column="Truth"') == []
    assert len(LIST.check("billing/models.py", "Truth")) == 1
    assert len(LIST.check("billing/sync.py", 'db_column="Truth"')) == 1
    assert LIST.check("billing/migrations/0001.py", "wish") == []


def test_a_planted_word_makes_the_command_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `make lint` sees: status 1 and the place of the word, for a new file, too."""
    (tmp_path / "docs").mkdir()
    (tmp_path / WORDS).write_bytes((ROOT / WORDS).read_bytes())
    (tmp_path / "page.md").write_text("All is well.\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)  # noqa: S607 - of the PATH
    assert retired_words.main([], root=tmp_path) == 0

    (tmp_path / "page.md").write_text("All is well.\nThe subscriber's wish is stored.\n")

    assert retired_words.main([], root=tmp_path) == 1
    assert "page.md:2: 'wish' is retired" in capsys.readouterr().out


def test_each_entry_says_what_to_write_and_each_exception_why() -> None:
    """The list is data that people edit; an entry without a replacement helps no one."""
    document = tomllib.loads((ROOT / WORDS).read_text())

    for entry in document["retired"]:
        assert entry["use"]
        assert ("word" in entry) != ("name" in entry), entry
        assert all(allowed["reason"] for allowed in entry.get("allow", ()))
    assert all(entry["reason"] for entry in document["exclude"])
