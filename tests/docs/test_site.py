"""The site: no link leads nowhere, neither in the pages' sources nor in what is built of them."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from docs import pictures

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if value and (tag, name) in (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")):
                self.links.append(value)


def dead_links(folder: Path) -> list[str]:
    """Of all pages below a folder: links to files, or to places in them, that are not there."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            target, anchor = urldefrag(link)
            file = (path.parent / unquote(urlsplit(target).path)).resolve() if target else path.resolve()
            file = file / "index.html" if file.is_dir() else file
            lost = bool(anchor) and file in pages and unquote(anchor) not in pages[file].anchors
            if lost or not file.is_file():
                dead.append(f"{path.name}: {link}")
    return dead


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#here">1</a> <a href="b.html#gone">2</a> <a href="c.html">3</a>')
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1> <a href="https://example.org/x">4</a> <img src="p.svg">')
    assert sorted(dead_links(tmp_path)) == ["a.html: b.html#gone", "a.html: c.html", "b.html: p.svg"]


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_links_between_sources() -> None:
    """Without a built site: files and headings that the pages lead to."""
    drawn = {f"pictures/{name}.svg" for name in pictures.PICTURES}
    headings = {
        page: {slug(line.lstrip("#")) for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "#"}
        for page in DOCS.glob("*.md")
    }
    dead = []
    for page in headings:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            target, anchor = urldefrag(link)
            file = (page.parent / target).resolve() if target else page
            if urlsplit(link).scheme or target in drawn:
                continue
            if not file.exists() or (anchor and anchor not in headings.get(file, ())):
                dead.append(f"{page.name}: {link}")
    assert dead == []


def test_pictures_are_of_the_plans(tmp_path: Path) -> None:
    """The law of the brief, by hand: 4 tiles of ceil(48/4) + ceil(64/4) words; and an uncovered wait."""
    hidden = pictures.plan_of(pictures.PICTURES["hidden"])
    assert hidden.interval == (64 // 16) * (48 // 4 + 64 // 4) == hidden.macs / hidden.multipliers
    uncovered = pictures.plan_of(pictures.PICTURES["uncovered"])
    assert uncovered.interval > uncovered.macs / uncovered.multipliers == 6
    drawn = pictures.draw(tmp_path)
    assert {path.stem for path in drawn} == set(pictures.PICTURES)
    for path in drawn:
        text = path.read_text(encoding="utf-8")
        assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert 'class="planned' in text
        assert "x part" in text


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", tmp_path / "kept", DOCS, site],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert (site / "index.html").is_file()
    assert dead_links(site) == []
