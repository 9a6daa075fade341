"""Finds words that the project no longer uses: `python3 -m dev.retired_words [path…]`.

The words and their replacements are data, in `docs/retired-words.toml`. A plain word is found in
prose and inside identifiers, which are split at underscores and capitals; a name only as itself.
"""

import bisect
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORDS = "docs/retired-words.toml"

# The words of prose and identifiers alike: "HTTPServer_error" is HTTP, Server, error.
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
# What may stand between the words of a phrase: nothing (camel case), an underscore, a line break
# with the next line's comment mark or quote.
_GAP = re.compile(r"[\s_#>*\"'`-]*\Z")


@dataclass(frozen=True)
class Allowance:
    """Where a retired word stays."""

    path: str
    text: str

    def covers(self, path: str, line: str) -> bool:
        """Say whether a line of a file may keep the word."""
        return fnmatchcase(path, self.path) and self.text in line


@dataclass(frozen=True)
class Entry:
    """One entry of the list: either `phrases` of lower-case words, or the pattern of a `name`."""

    use: str
    phrases: tuple[tuple[str, ...], ...]
    name: re.Pattern[str] | None
    paths: tuple[str, ...]
    allowed: tuple[Allowance, ...]


@dataclass(frozen=True)
class Finding:
    """A retired word in a file; line 0 is the file's own name."""

    path: str
    line: int
    word: str
    use: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word!r} is retired; use: {self.use}"


@dataclass(frozen=True)
class _Token:
    word: str
    start: int
    end: int


class WordList:
    """The retired words, and the files that are not looked at."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._excluded = tuple(entry["path"] for entry in document.get("exclude", ()))
        self._names = []
        self._phrases: dict[str, list[tuple[tuple[str, ...], Entry]]] = {}
        for entry in map(_read_entry, document["retired"]):
            if entry.name is not None:
                self._names.append(entry)
            for phrase in entry.phrases:
                self._phrases.setdefault(phrase[0], []).append((phrase, entry))

    @classmethod
    def load(cls, path: Path) -> "WordList":
        """Read the list from its file."""
        with path.open("rb") as file:
            return cls(tomllib.load(file))

    def check(self, path: str, text: str) -> list[Finding]:
        """Find the retired words of one file, in the order of its lines.

        Args:
            path: Relative to the project's root, with forward slashes.
            text: The file's content.
        """
        if any(fnmatchcase(path, pattern) for pattern in self._excluded):
            return []
        # The name of the file is checked as if it stood on a line before the first.
        whole = f"{path}\n{text}"
        lines = whole.split("\n")
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)
        found = set()
        for entry, start, end in (*self._in_prose(whole), *self._as_names(whole)):
            number = bisect.bisect_right(starts, start) - 1
            if entry.paths and not any(fnmatchcase(path, pattern) for pattern in entry.paths):
                continue
            if any(allowed.covers(path, lines[number]) for allowed in entry.allowed):
                continue
            word = " ".join(whole[start:end].split())
            found.add((number, start, Finding(path, number, word, entry.use)))
        return [finding for _, _, finding in sorted(found, key=lambda item: item[:2])]

    def _in_prose(self, text: str) -> Iterator[tuple[Entry, int, int]]:
        tokens = [
            _Token(match[0].lower(), match.start(), match.end()) for match in _TOKEN.finditer(text)
        ]
        for index, token in enumerate(tokens):
            for phrase, entry in self._phrases.get(token.word, ()):
                run = tokens[index : index + len(phrase)]
                if _is_phrase(run, phrase, text=text):
                    yield entry, run[0].start, run[-1].end

    def _as_names(self, text: str) -> Iterator[tuple[Entry, int, int]]:
        for entry in self._names:
            assert entry.name is not None
            for match in entry.name.finditer(text):
                yield entry, match.start(), match.end()


def _is_phrase(run: list[_Token], phrase: tuple[str, ...], *, text: str) -> bool:
    if tuple(token.word for token in run) != phrase:
        return False
    if phrase[-1] == "try" and text[run[-1].end : run[-1].end + 1] == ":":
        return False  # Python's statement
    return all(
        _GAP.match(text, before.end, after.start) for before, after in itertools.pairwise(run)
    )


def _read_entry(entry: dict[str, Any]) -> Entry:
    name = entry.get("name")
    words = [*([entry["word"]] if name is None else []), *entry.get("forms", ())]
    pattern = re.escape(name).replace(r"\*", r"\w*") if name else ""
    return Entry(
        use=entry["use"],
        phrases=tuple(tuple(word.lower().split()) for word in words),
        name=re.compile(rf"(?<!\w){pattern}(?!\w)") if name else None,
        paths=tuple(entry.get("paths", ())),
        allowed=tuple(
            Allowance(place["path"], place.get("text", "")) for place in entry.get("allow", ())
        ),
    )


def files(paths: list[str], *, root: Path) -> list[str]:
    """List the project's files below `paths`, new ones included, ignored ones not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths],  # noqa: S607 - git of the PATH
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return sorted({path for path in listed.split("\0") if path and (root / path).is_file()})


def main(arguments: list[str], *, root: Path = ROOT) -> int:
    """Print each retired word with its place and its replacement; 1 if there is any."""
    words = WordList.load(root / WORDS)
    count = 0
    for path in files(arguments, root=root):
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or the like
        for finding in words.check(path, text):
            count += 1
            print(finding)
    if count:
        print(f"{count} retired words. {WORDS} lists them.", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
