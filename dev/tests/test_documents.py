"""The written pages: every link leads somewhere."""

import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from dev.config.settings import ROOT


@cache
def pages() -> list[Path]:
    """All pages of the repository, in the index or new."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],  # noqa: S607 - of the PATH
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return sorted({ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def without_code(text: str) -> str:
    """A link in a code block or between backticks is an example."""
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """What a page links to: inline and image targets, without titles."""
    return re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", without_code(page.read_text()))


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page make, as GitHub does."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,6} (.+)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere in the repository."""
    found = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


def test_every_link_between_pages_leads_somewhere() -> None:
    """A reader who follows a link at night finds the page and the section."""
    wrong = {str(page.relative_to(ROOT)): found for page in pages() if (found := broken(page))}

    assert pages()
    assert wrong == {}


def test_a_link_to_a_missing_page_or_section_is_noticed(tmp_path: Path) -> None:
    """The check itself: a renamed page or heading makes it fail."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One `code`\n[a](page.md#one-code) [b](gone.md) [c](#two) [d](https://x.example/)\n"
        "`[e](gone.md)`\n```\n[f](gone.md)\n```\n"
    )

    assert broken(page) == ["gone.md", "#two"]
