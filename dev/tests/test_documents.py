"""The written pages: every link leads somewhere."""

import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from dev.config.settings import ROOT

ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
SOURCES = (
    "auth-service/src/auth_service",
    "billing-service",
    "stripe-sandbox/src/stripe_sandbox",
    "dev",
    "bench",
)


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


def drawn_packages() -> set[str]:
    """The folders in the tree of `docs/architecture.md`, with their whole paths."""
    layout = re.search(
        r"^## The layout$.*?^```$\n(.*?)^```$", ARCHITECTURE, re.MULTILINE | re.DOTALL
    )
    assert layout
    found: set[str] = set()
    above: list[str] = []
    for line in layout[1].splitlines():
        if match := re.match(r"([│ ]*)(?:[├└]── )?([\w./-]+)", line):
            depth = (len(line) - len(line.lstrip("│├└─ "))) // 4
            above = [*above[:depth], match[2].rstrip("/")]
            if match[2].endswith("/"):
                found.add("/".join(above))
    return found


def packages() -> set[str]:
    """Our packages; tests, and the folders that only Django or Alembic looks into, left out."""
    modules = (page.parent for source in SOURCES for page in (ROOT / source).rglob("__init__.py"))
    left_out = {"tests", "migrations", "commands", ".venv"}
    return {
        str(package.relative_to(ROOT))
        for package in modules
        if left_out.isdisjoint(package.relative_to(ROOT).parts)
    }


def test_the_drawn_layout_has_every_package_and_no_other() -> None:
    """A newcomer who looks for a package of the tree finds it, and the other way round."""
    drawn = drawn_packages()

    assert packages() - drawn == set()
    assert {path for path in drawn if not (ROOT / path).is_dir()} == set()
