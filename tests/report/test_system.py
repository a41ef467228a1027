"""The report of a system: every device and link is drawn, planned figures are those worked out by hand, what was
measured is marked so.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

from rnngen.cli import main
from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.emit.system import SystemDesign
from rnngen.errors import DesignError
from rnngen.flow import GenerateOptions, PartitionOptions, partition, report, simulate_system
from rnngen.flow.generate import quantised_model
from rnngen.flow.report_system import first_steps
from rnngen.plan.partition import Partition, Parts, best_partition
from rnngen.plan.partition.timeline import DeviceTimes, LinkTimes, Stretch, SystemTimes, system_times
from rnngen.report.system import SystemView, render_system_report
from rnngen.report.system.diagram import diagram
from rnngen.report.system.timeline import timeline
from tests.report.test_document import Page

MHZ = 10**6
INTERVAL = 4 * 16 * (16 + 16) // 4
"""Products of an LSTM of 16 units and inputs over 4 multipliers: 512 cycles, enough to hide any latency."""
FRAME = 16 * 16 // 64 + 1 + 2
"""16 values of 16 bits fill 4 words of 64 bits, so the end of a sequence has a word of its own; header and check."""
FLIGHT = 16 + 10 - 1
"""Behind the cycle of a frame's last word: the PHY and the 10 cycles of the link layer (ARCHITECTURE.md)."""


def mesh(devices: int, multipliers: int) -> System:
    names = [f"d{number}" for number in range(devices)]
    links = tuple(Link(one, other, 64, 6) for one, other in combinations(names, 2))
    return System(tuple(Device(name, 100 * MHZ, multipliers) for name in names), links)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """Two LSTMs on a device each."""
    torch.manual_seed(1)
    model = torch.nn.LSTM(16, 16, num_layers=2, batch_first=True)
    devices = [Device("near", 100 * MHZ, 4, None, 400_000), Device("far", 100 * MHZ, 4)]
    system = chain(devices, Link("x", "y", 64, 16))
    return partition(model, system, tmp_path_factory.mktemp("pair") / "d", PartitionOptions(cut="layers"))


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """The rows of an LSTM on two devices."""
    torch.manual_seed(1)
    model = torch.nn.LSTM(24, 32, batch_first=True)
    return partition(model, mesh(2, 64), tmp_path_factory.mktemp("split") / "d", PartitionOptions(cut="rows"))


def page_of(design: SystemDesign) -> str:
    return report(design).read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What is read on a page, words apart."""
    return " ".join(part for part in " ".join(Page(page).texts).split(" ") if part)


def count(svg: str, class_: str) -> int:
    return len(re.findall(rf'class="{class_}"', svg))


# Real systems


def test_a_chain_of_two_shows_figures_worked_out_by_hand(pair: SystemDesign) -> None:
    page = page_of(pair)
    text = text_of(page)
    assert INTERVAL == pair.document["step_interval_ticks"] == 512
    assert FRAME == pair.document["links"][0]["frame_words"] == 7
    for shown in (
        "512 cycles", "5.12 µs, planned", "7 words, 5 of them payload", "0.07 µs", "16 of 16 bits", "64-bit words",
        "1.4 %",  # 7 of 512
        "4 of 4", "of 400\u202f000 (", "2 of 2", "8 multipliers, planned",
        "The simulation was not run: only the plan is shown.", "Circuit against emulator not run",
        "The host gives every step to near and takes the results from far.",
    ):  # fmt: skip
        assert shown in text, shown
    assert "measured" not in text
    assert count(page, "box binds") == 2  # both take 512 cycles
    assert count(page, "head") == 3  # the input's arrow, the link's, the output's


def test_cuts_that_were_not_chosen(pair: SystemDesign) -> None:
    """One device alone has 4 multipliers for both layers, so twice the cycles; only the second one has the memory."""
    text = text_of(page_of(pair))
    assert re.search(r"\b1 far: l0, l1 10\.24 µs [\d.]+ µs interval \+100\.0 %, latency \+\d", text), text
    assert "device 'far' with 1024 cycles" in text
    assert "is better" not in text


def test_the_timeline_of_a_chain(pair: SystemDesign) -> None:
    """Steps follow each other at the interval; links add what the link layer says; the first step takes the latency."""
    times = system_times(pair.partition, [5])
    near, far = times.devices
    (link,) = times.links
    for bars in (near.takes, *near.multiplies, near.gives, link.carries, far.takes, *far.multiplies, far.gives):
        assert [(bar.sequence, bar.step) for bar in bars] == [(0, step) for step in range(5)]
        assert [after.start - before.start for before, after in zip(bars, bars[1:])] == [INTERVAL] * 4
    for device in times.devices:
        assert [bar.end - bar.start for bar in device.multiplies[0]] == [INTERVAL] * 5
        assert not device.waits
    assert [bar.end - bar.start for bar in link.arrives] == [FLIGHT] * 5
    for given, carried, arriving, taken in zip(near.gives, link.carries, link.arrives, far.takes):
        assert carried.start == given.start + 1
        assert carried.end == arriving.start == given.end + 1 + 1 + 1  # the flag, its cycle, the check
        assert taken.start == arriving.end + 1  # the flag's word is waited for
    assert far.gives[0].end - near.takes[0].end == pair.document["latency_last_output_ticks"]


def test_the_timeline_of_rows(split: SystemDesign) -> None:
    """4 * 32 * (24 + 32) products over 2 * 64 multipliers: 56 cycles of work. Steps come as h does; none waits."""
    times = system_times(split.partition, [4])
    one, other = times.devices
    assert one == other
    assert times.links[0] == times.links[1]
    assert [bar.end - bar.start for bar in one.multiplies[0]] == [56] * 4
    assert not one.waits
    for step in range(1, 4):
        arrived = times.links[0].arrives[step - 1].end
        assert one.multiplies[0][step].start < arrived < one.multiplies[0][step].end  # x first
    assert one.gives[0].end - one.takes[0].end == split.document["latency_last_output_ticks"]


def last_step() -> Partition:
    """An LSTM and a GRU, of which only the last step counts, on a device each."""

    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = torch.nn.LSTM(4, 4, batch_first=True)
            self.two = torch.nn.GRU(4, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(self.one(x)[0])[0][:, -1]

    devices = [Device("a", 100 * MHZ, 16), Device("b", 100 * MHZ, 12)]
    _, quantised, _ = quantised_model(Last().eval(), GenerateOptions())
    parts = Parts(quantised, chain(devices, Link("x", "y", 64, 16), Host("a", "b")))
    return best_partition(parts, "interval").best


def test_sequences_that_give_their_last_step() -> None:
    """Four steps in, one out: what a device takes is told by sequence and step, what it gives by sequence."""
    cut = last_step()
    times = system_times(cut, [4, 4])
    steps = [(sequence, step) for sequence in range(2) for step in range(4)]
    assert [(bar.sequence, bar.step) for bar in times.devices[1].takes] == steps
    assert [(bar.sequence, bar.step) for bar in times.devices[1].gives] == [(0, 0), (1, 0)]
    drawn, end = first_steps(cut)
    assert set(drawn.lengths) == {4}
    assert drawn.devices[0].takes[-1].end >= end  # nothing that begins before the end is left out
    assert [bar.sequence for bar in drawn.devices[1].gives if bar.end <= end] == [0, 1, 2]


def test_the_drawn_steps_of_one_sequence(pair: SystemDesign) -> None:
    """Four steps are drawn until they are out."""
    drawn, end = first_steps(pair.partition)
    assert len(drawn.lengths) == 1
    assert [bar.step for bar in drawn.devices[1].gives if bar.end <= end] == [0, 1, 2, 3]
    assert drawn.devices[0].takes[-1].end >= end


def test_rows_over_two_devices(split: SystemDesign) -> None:
    page = page_of(split)
    text = text_of(page)
    for shown in (
        "one layer over 2 devices", "units 0–15 of l0", "units 16–31 of l0", "each of 2", "64 of 64",
        "The host gives every step to all devices and takes each one's units.",
    ):  # fmt: skip
        assert shown in text, shown
    assert len(re.findall('class="box', page)) == 2
    assert count(page, "head") == 2  # one link, both ways


def test_each_devices_own_report_is_there(pair: SystemDesign) -> None:
    parsed = Page(page_of(pair))
    links = [value for name, value in parsed.attributes if name == "href"]
    assert links == ["near/report.html", "far/report.html"]
    for link in links:
        assert "Network and formats" in (pair.folder / str(link)).read_text(encoding="utf-8")


def test_the_page_is_self_contained_and_deterministic(pair: SystemDesign) -> None:
    page = page_of(pair)
    parsed = Page(page)
    assert parsed.tags & {"script", "link", "img", "iframe", "object", "image", "use"} == set()
    assert {name for name, _ in parsed.attributes} & {"src", "xlink:href", "style", "onclick"} == set()
    assert re.search(r"https?:|url\(|@import", page) is None
    assert page == page_of(pair)


def test_the_command(pair: SystemDesign, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(pair.folder)]) == 0
    assert capsys.readouterr().out == f"Report: {pair.folder / 'report.html'}\n"


@pytest.mark.verilator
def test_what_was_simulated_is_marked_measured(pair: SystemDesign, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pair.folder, tmp_path / "d"))
    simulate_system(folder, steps=4)
    text = text_of(report(folder).read_text(encoding="utf-8"))
    assert "5.12 µs, measured in simulation" in text
    assert "step interval 512 cycles 5.12 µs 512 cycles 5.12 µs measured" in text
    latency = f"{pair.document['latency_last_output_ticks']:,}".replace(",", "\u202f")
    assert re.search(rf"to the last output word {latency} cycles (\S+) µs {latency} cycles \1 µs measured", text)
    assert "8 steps, every bit and every cycle as planned (measured)." in text


# Systems that are made up


def made_up(
    devices: int, rows: bool = False, parts: Sequence[int] = (), unlike: Mapping[int, Mapping[str, Any]] | None = None,
    **changes: Any,
) -> SystemView:  # fmt: skip
    """A system of so many devices, the k-th of which works k/devices of its time; of 100 ticks a step.

    Args:
        rows: They share one layer.  parts: By device, its part, where only some share one.
        unlike: By device, what is told of it otherwise.
    """
    names = [f"device_{number}" for number in range(devices)]
    part_of = list(parts) or [0 if rows else number for number in range(devices)]
    pairs = [
        (names[a], names[b]) for a in range(devices) for b in range(devices)
        if a != b and part_of[b] - part_of[a] in (0, 1)
    ]  # fmt: skip
    document = {
        "network": "net", "goal": "interval", "ticks_hz": 100 * MHZ, "cut": "rows" if rows else "layers",
        "step_interval_ticks": 100, "steps_per_second": 1e6, "latency_first_output_ticks": 240,
        "latency_last_output_ticks": 250, "latency_is": "exact", "multipliers": 8 * devices, "binds": "the last device",
        "host": {"input": names[:1], "output": names[-1:]},
        "devices": [
            {"name": name, "part": part_of[number], "layers": [f"layer{number}"], "clock_hz": 100 * MHZ,
             "step_interval_cycles": 10, "latency_last_output_cycles": 25, "load": (number + 1) / devices,
             "multipliers": 8, "memory_bits": 5000, **(unlike or {}).get(number, {})}
            for number, name in enumerate(names)
        ],
        "links": [
            {"from": one, "to": other, "word_bits": 128, "values": 4000, "value_bits": 16, "payload_words": 4096,
             "frame_words": 4098, "interval_ticks": 12, "hop_ticks": 30, "load": 0.12}
            for one, other in pairs
        ],
        "system": {"devices": [{"name": name, "multipliers": 10, "memory_bits": 10_000} for name in names]},
    }  # fmt: skip
    simulation = changes.pop("simulation", None)

    def bars(start: int, length: int) -> tuple[Stretch, ...]:
        return tuple(Stretch(start + 100 * step, start + 100 * step + length, 0, step) for step in range(4))

    times = SystemTimes(
        (4,),
        tuple(DeviceTimes(bars(k, 9), (bars(k + 9, 80),), (), bars(k + 90, 5)) for k in range(0, 120 * devices, 120)),
        tuple(LinkTimes(bars(k, 12), bars(k + 12, 10)) for k in range(96, 96 + 120 * len(pairs), 120)),
    )
    stages = [["layer"]] * devices
    return SystemView(document | changes, simulation, ["a", "b"], stages, times, 120 * devices + 100)


SIMULATED = {
    "bit_exact": True, "cycle_exact": True, "steps": 18, "step_interval_cycles": 100,
    "latency_first_output_cycles": 240, "latency_last_output_cycles": 250,
}  # fmt: skip


@pytest.mark.parametrize("devices", [1, 2, 3, 4, 5, 8, 12])
def test_a_box_for_each_device_and_an_arrow_for_each_link(devices: int) -> None:
    svg = diagram(made_up(devices))
    assert len(re.findall('class="box', svg)) == devices
    assert count(svg, "box binds") == 1
    assert count(svg, "head") == devices + 1  # of the links, the input and the output
    for number in range(devices):
        assert f">device_{number}</text>" in svg
    assert svg.count(">4\u202f098 a frame</text>") == devices - 1


@pytest.mark.parametrize(("devices", "heads"), [(2, 2), (3, 6), (4, 12), (8, 56), (9, 0)])
def test_rows_are_linked_each_to_each(devices: int, heads: int) -> None:
    """Nine and more are not drawn around with all of their links, but told."""
    svg = diagram(made_up(devices, rows=True))
    assert count(svg, "head") == heads
    assert f"Each of the {devices * (devices - 1)} links (one way)" in svg


@pytest.mark.parametrize(("devices", "ways", "heads"), [(3, "one way", 3), (4, "both ways", 8), (5, "both ways", 10)])
def test_a_ring(devices: int, ways: str, heads: int) -> None:
    """Arrows to neighbours alone; of four the frames of two others come one way round, and of one the other way."""
    names, back = [f"device_{number}" for number in range(devices)], (devices - 1) // 2
    frames = {1: devices // 2, -1: back} if ways == "both ways" else {1: devices - 1}
    links = [
        {"from": names[(k + way) % devices], "to": names[k], "word_bits": 64, "values": 64, "value_bits": 16,
         "payload_words": 17, "frame_words": 19, "frames_a_step": each, "interval_ticks": 19 * each,
         "load": 0.19 * each}
        for way, each in frames.items() for k in range(devices)
    ]  # fmt: skip
    view = made_up(devices, rows=True, unlike={k: {"ring": ways} for k in range(devices)}, links=links)
    svg = diagram(view)
    assert count(svg, "head") == heads
    busiest = devices * (1 + (frames.get(-1) == frames[1]))
    assert f"Each of the {busiest} busiest links around the ring: 64-bit words, 19 a frame, {frames[1]} frames" in svg
    assert_apart(texts_of(svg))
    told = text_of(render_system_report(view))
    assert "their neighbours send it on" in told
    assert ("links, 2 a step" in told) == (devices == 4)


MIXED = [(0, 1, 1, 2), (0, 0, 1), (0, 1, 1, 1), (0, 1, 2, 3, 4, 4, 5), (0, 1, 2, 3, 3, 3, 4, 5)]


@pytest.mark.parametrize("parts", MIXED, ids=str)
def test_devices_that_share_one_of_several_layers(parts: tuple[int, ...]) -> None:
    """They stand below each other, and links that are alike are told once."""
    view = made_up(len(parts), parts=parts, cut="rows")
    svg = diagram(view)
    assert len(re.findall('class="box', svg)) == len(parts)
    shared = max(parts.count(part) for part in parts)
    assert f"Each of the {shared * (shared - 1)} links inside a layer" in svg
    assert_apart(texts_of(svg))
    boxes = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="104" rx="1.5" class="box', svg)
    corners = [tuple(map(float, box)) for box in boxes]
    assert_apart([(x, y, x + width, y + 104, "box") for x, y, width in corners])
    assert_apart(texts_of(timeline(view)))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((0, 1), "whole layers over 2 devices"),
        ((0, 0), "one layer over 2 devices"),
        ((0, 1, 1, 2), "whole layers, and one in parts, over 4 devices"),
        ((0, 0, 1, 1), "2 layers, each in parts, over 4 devices"),
        ((0, 0, 1, 2, 2), "whole layers, and 2 in parts, over 5 devices"),
    ],
)
def test_what_is_over_the_devices(parts: tuple[int, ...], said: str) -> None:
    assert said in text_of(render_system_report(made_up(len(parts), parts=parts, cut="rows")))


def test_a_load_is_a_length_and_a_shade() -> None:
    """Of 4 devices: 25, 50, 75 and 100 %, in shades 2, 3, 4 and 5 of 5; a darker one for more."""
    svg = diagram(made_up(4))
    bars = re.findall(r'width="([\d.]+)" height="8" rx="1.5" class="load shade-(\d)"><title>device_\d works', svg)
    assert [shade for _, shade in bars] == ["2", "3", "4", "5"]
    widths = [float(width) for width, _ in bars]
    assert [width / widths[-1] for width in widths] == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.01)


def texts_of(svg: str) -> list[tuple[float, float, float, float, str]]:
    """(left, top, right, bottom, content) of each text, with letters of 6.2 of 12 drawing units."""
    found = []
    for x, y, class_, anchor, content in re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)" class="(\w+)" text-anchor="(\w+)">([^<]*)</text>', svg
    ):
        size = {"inside": 10.0, "tick": 12.0}.get(class_, 13.0)
        width = len(content) * size * 6.2 / 12
        left = float(x) - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * width
        found.append((left, float(y) - 0.75 * size, left + width, float(y), content))
    return found


def assert_apart(boxes: Sequence[tuple[float, float, float, float, str]]) -> None:
    for one, other in combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, f"{one} overlaps {other}"
    assert all(left >= 0 and right <= 1000 for left, _, right, _, _ in boxes)


@pytest.mark.parametrize("devices", [1, 2, 3, 4, 8, 11])
@pytest.mark.parametrize("rows", [False, True])
def test_nothing_overlaps(devices: int, rows: bool) -> None:
    if rows and devices == 1:
        return
    view = made_up(devices, rows)
    svg = diagram(view)
    assert_apart(texts_of(svg))
    assert_apart(texts_of(timeline(view)))
    boxes = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="104" rx="1.5" class="box', svg)
    corners = [tuple(map(float, box)) for box in boxes]
    assert_apart([(x, y, x + width, y + 104, "box") for x, y, width in corners])


def test_long_names_are_cut() -> None:
    view = made_up(4, unlike={0: {"name": "a_device_with_a_name_that_is_longer_than_its_box"}})
    svg = diagram(view)
    assert_apart(texts_of(svg))
    assert re.search(r">a_device_with_a_\w*…</text>", svg)


@pytest.mark.parametrize("devices", [2, 3, 6])
def test_ways_over_devices_are_drawn(devices: int) -> None:
    """The second device's results go over the first one, and the last one's all the way back to that."""
    view = made_up(devices)
    names = [str(device["name"]) for device in view.devices]
    paths = [list(pair) for pair in zip(names, names[1:])]
    links = [{**link, "from": one, "to": other} for link, (one, other) in zip(view.links, paths)]
    if devices > 2:
        paths[1] = [names[1], names[0], names[2]]
        links[1] = {**links[1], "to": names[0]}
    view = replace(view, document={**view.document, "links": links, "paths": [*paths, names[::-1]]})
    svg = diagram(view)
    assert_apart(texts_of(svg))
    assert f"results back to {names[0]}" in svg
    assert svg.count(">output</text>") == 1
    assert (f">over {names[0]}</text>" in svg) == (devices > 2)
    told = f"What {names[1]} gives to {names[2]} goes over {names[0]}." if devices > 2 else "takes the results from"
    assert told in text_of(render_system_report(view))


def test_bars_are_where_their_ticks_are() -> None:
    """Ticks 0..340 are drawn over 778 units behind 210: step 1 of the first device multiplies in ticks 109..189."""
    svg = timeline(made_up(2))
    found = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*><title>step 1 multiplies: 1.09 µs', svg)
    (bar,) = found
    assert [float(value) for value in bar] == pytest.approx([210 + 778 * 109 / 340, 778 * 80 / 340 - 0.6], abs=0.01)
    assert "80 cycles (planned)" in svg
    assert "cycle of 10 ns" in svg


def test_times_where_clocks_differ() -> None:
    view = made_up(2, unlike={1: {"clock_hz": 125 * MHZ}})
    text = text_of(render_system_report(view))
    assert "clocks differ 1 µs" in text
    assert "time in ns" in text


def test_a_simulation_is_beside_the_plan() -> None:
    text = text_of(render_system_report(made_up(2, simulation=SIMULATED)))
    assert "every bit and every cycle over 18 steps" in text
    assert "step interval 100 cycles 1 µs 100 cycles 1 µs measured" in text
    assert "latency to the last output word 250 cycles 2.5 µs 250 cycles 2.5 µs measured" in text


def test_a_simulation_that_differs_is_named() -> None:
    differing = SIMULATED | {"cycle_exact": False, "step_interval_cycles": 101, "first_difference": "Output came late."}
    text = text_of(render_system_report(made_up(2, simulation=differing)))
    assert "bits equal, cycles DIFFER over 18 steps" in text
    assert "step interval 100 cycles 1 µs 101 cycles 1.01 µs measured" in text
    assert "Circuit and emulator DIFFER over 18 steps. Output came late." in text


def test_cycles_that_were_not_compared() -> None:
    """As with bad lines."""
    text = text_of(render_system_report(made_up(2, simulation=SIMULATED | {"cycle_exact": None})))
    assert "every bit over 18 steps; cycles were not compared" in text
    assert "18 steps, every bit equal (measured); cycles were not compared." in text


def test_others_and_cuts_inside_a_layer() -> None:
    others = [
        {"devices": 1, "refused": "nothing fits"},
        {"devices": 3, "parts": [{"device": "x", "blocks": [0, 0]}, {"device": "y", "blocks": [1, 1]}],
         "step_interval_ticks": 150, "latency_last_output_ticks": 200, "binds": "device 'x'"},
    ]  # fmt: skip
    inner = [
        {"layer": "l0", "kind": "x/h", "devices": ["x", "y"], "step_interval_cycles": 70, "exchange": "partial sums",
         "whole_layer_interval_cycles": None, "exchange_values": 8, "exchange_value_bits": 31, "links": "ring",
         "link_words": 64, "binds": "recurrence", "generated": False},
    ]  # fmt: skip
    text = text_of(render_system_report(made_up(2, others=others, inner_cuts=inner)))
    assert "1 none — — — nothing fits" in text
    assert "3 x: a; y: b 1.5 µs 2 µs interval +50.0 %, latency −20.0 % device 'x'" in text
    assert "l0 x/h x, y 70 cycles fits none partial sums: 8 of 31 bits ring, 64 words a step recurrence no" in text
    assert "is better" not in text


def test_a_better_cut_that_was_not_asked_for_is_said() -> None:
    others = [{"devices": 1, "parts": [], "step_interval_ticks": 90, "latency_last_output_ticks": 300, "binds": "it"}]
    sentence = "A cut that is not chosen is better: how the network is cut was given (--cut)."
    assert sentence in text_of(render_system_report(made_up(2, others=others)))
    assert sentence not in text_of(render_system_report(made_up(2, others=others, goal="latency")))


def test_what_is_damaged_is_refused() -> None:
    with pytest.raises(DesignError, match=r"^'step_interval_ticks' of a design must be a number, not 'x'; run rnngen"):
        render_system_report(made_up(2, step_interval_ticks="x"))
    with pytest.raises(DesignError, match=r"^'others' of a design must be a list of objects; run rnngen generate or"):
        render_system_report(made_up(2, others="none"))


def test_a_damaged_simulation_is_refused(pair: SystemDesign, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pair.folder, tmp_path / "d"))
    (folder / "simulation.json").write_text("[")
    with pytest.raises(DesignError, match=r"simulation\.json' cannot be read as JSON"):
        report(folder)
