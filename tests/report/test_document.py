"""The page as a whole: complete, self-contained, deterministic, honest about what is missing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rnngen.errors import DesignError
from rnngen.report import render_report, write_report
from tests.report import sample


class Page(HTMLParser):
    """Checks nesting and collects text and tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def full_page() -> str:
    return render_report(sample.design(), sample.simulation(), sample.synthesis(), sample.trace(), sample.errors())


def test_full_page_has_every_section() -> None:
    page = Page(full_page())
    for heading in (
        "Network and formats",
        "Error against the float network",
        "Schedule of one step",
        "Multipliers busy",
        "Latency and interval",
        "Resources",
        "Saturations",
        "Files and tools",
    ):
        assert heading in page.texts


def test_full_page_shows_what_it_was_given() -> None:
    text = Page(full_page()).text
    for shown in (
        "every bit and every cycle over 360 steps",
        "1\u202f024 cycles",
        "10.24 µs, measured in simulation",
        "98.6 %",
        "112.4 MHz",
        "58.7 dB",
        "real speech, Front_Center.wav",
        "All 58 spans of the simulated trace lie exactly in their planned cycles.",
        "cycle by cycle they are equal",
        "12 values were limited",
        "limited by the path from core.a.Q to core.b.DI: 8.897 ns, of which 5.5 logic and 3.397 routing.",
        "26.1 % of 83\u202f640",
        "9f86d081884c7d65" * 4,
        "[-32, 32)",
    ):
        assert shown in text
    assert "not run" not in text


def test_page_is_self_contained() -> None:
    page = full_page()
    parsed = Page(page)
    assert parsed.tags & {"script", "link", "img", "iframe", "object", "image", "use"} == set()
    assert {name for name, _ in parsed.attributes} & {"href", "src", "xlink:href", "style", "onclick"} == set()
    assert re.search(r"https?:|url\(|@import", page) is None


def test_page_is_deterministic() -> None:
    assert full_page() == full_page()


def test_light_dark_and_print_are_styled() -> None:
    page = full_page()
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_every_colour_has_a_value_in_all_three_themes() -> None:
    page = full_page()
    used = set(re.findall(r"var\(--([a-z-]+)\)", page))
    themes = re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    assert len(themes) == 3
    for theme in themes:
        assert used == set(re.findall(r"--([a-z-]+):", theme))


def test_missing_parts_are_not_run() -> None:
    text = Page(render_report({"top": "x"}, None, None, None, None)).text
    assert text.count("not run") >= 10
    assert re.search(r"\b0\b", text) is None


def test_plan_alone_is_drawn() -> None:
    text = Page(render_report(sample.design(), None, None, sample.trace(simulated=False), None)).text
    assert "The simulation was not run: only the plan is drawn." in text
    assert "10.24 µs, planned" in text


def test_differences_are_named() -> None:
    simulation = sample.simulation() | {"cycle_exact": False}
    text = Page(render_report(sample.design(), simulation, None, sample.trace(late=1), sample.errors())).text
    assert "bits equal, cycles DIFFER over 360 steps" in text
    assert "Plan and simulation DIFFER" in text
    assert "lstm.l0 issue x part (16)" in text
    assert "decoder" not in text.split("Plan and simulation DIFFER")[1].split("\n")[0]


def test_unrouted_figures_are_counted_not_measured() -> None:
    page = render_report(sample.design(), None, sample.synthesis() | {"measured": False}, None, None)
    assert '<span class="badge measured">' not in page
    assert "from synthesis before placement" in page


def test_missed_clock_is_marked() -> None:
    page = render_report(sample.design(), None, sample.synthesis() | {"clock_met": False}, None, None)
    assert "target 100 MHz, NOT met" in page


def test_text_is_escaped() -> None:
    page = render_report({"top": "<script>alert(1)</script>", "tools": {"a&b": '"<1>"'}}, None, None, None, None)
    assert "<script>" not in page
    assert "a&amp;b" in page


def test_total_saturations_may_be_one_number() -> None:
    text = Page(render_report({}, {"saturations": 0}, None, None, None)).text
    assert "No value was limited." in text


def test_write_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(sample.design(), None, None, None, None, path)
    assert path.read_text(encoding="utf-8") == render_report(sample.design(), None, None, None, None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_write_below_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DesignError, match=r"^'.*report\.html' cannot be written: "):
        write_report({}, None, None, None, None, tmp_path / "file" / "report.html")


def test_write_over_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(DesignError, match="Is a directory"):
        write_report({}, None, None, None, None, tmp_path / "report.html")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_text_where_a_number_belongs_is_refused() -> None:
    message = r"'step_interval_cycles' of a design must be a number, not 'fast'; run rnngen generate or part.* again\.$"
    with pytest.raises(DesignError, match=message):
        render_report({"step_interval_cycles": "fast"}, None, None, None, None)


def test_damaged_layers_are_refused() -> None:
    with pytest.raises(DesignError, match=r"'layers' of a design must be a list of objects"):
        render_report({"layers": "lstm"}, None, None, None, None)


def test_cycles_that_were_not_compared_do_not_differ() -> None:
    """As in a run with pauses."""
    text = Page(render_report({}, {"bit_exact": True, "cycle_exact": None, "steps": 7}, None, None, None)).text
    assert "every bit over 7 steps; cycles were not compared" in text
    assert "differs" not in text
