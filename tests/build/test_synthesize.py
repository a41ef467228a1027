"""The whole flow on a stand-in core, and what stops it before it starts."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from rnngen.build import SynthesisResult, synthesize
from rnngen.build.open_ecp5 import Ecp5Tools
from rnngen.build.result import read_report
from rnngen.errors import DesignError, PlanError, ToolError
from rnngen.gateware.control import AXIL_INPUTS, AXIL_OUTPUTS

CONTROL = " ".join(f"input [{width - 1}:0] s_axil_{name}," for name, width in AXIL_INPUTS.items())
ANSWERS = " ".join(f"output [{width - 1}:0] s_axil_{name}," for name, width in AXIL_OUTPUTS.items())
LOOP = f"""
module loop (
    input aclk, input aresetn, {CONTROL} {ANSWERS}
    input [15:0] s_axis_tdata, input s_axis_tvalid, output s_axis_tready, input s_axis_tlast,
    output reg [15:0] m_axis_tdata, output reg m_axis_tvalid, input m_axis_tready, output reg m_axis_tlast
);
    reg [15:0] bias [0:15];
    initial $readmemh("bias.hex", bias);
    reg [3:0] index = 0;
    assign s_axil_awready = 0, s_axil_wready = 0, s_axil_arready = 0, s_axil_bvalid = 0, s_axil_rvalid = 0;
    assign s_axil_bresp = 0, s_axil_rresp = 0, s_axil_rdata = 0;
    assign s_axis_tready = !m_axis_tvalid || m_axis_tready;
    always @(posedge aclk) begin
        if (s_axis_tready) begin
            m_axis_tdata  <= s_axis_tdata + bias[index];
            m_axis_tlast  <= s_axis_tlast;
            m_axis_tvalid <= s_axis_tvalid;
            index         <= index + s_axis_tvalid;
        end
        if (!aresetn) m_axis_tvalid <= 0;
    end
endmodule
"""


def make_design(folder: Path, **changes: Any) -> Path:
    """A design folder around the stand-in core."""
    contents = {"rtl/loop.v": LOOP, "rtl/bias.hex": "\n".join(f"{i * 4099 % 65536:04x}" for i in range(16)) + "\n"}
    port = {"tdata_bits": 16, "beats_per_step": 2}
    document: dict[str, Any] = {
        "generator": "rnngen",
        "top": "loop",
        "board": {"name": "ulx3s-85f"},
        "clock_hz_target": 100_000_000,
        "ports": {"s_axis": port, "m_axis": port},
        "files": [
            {"path": path, "sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text)}
            for path, text in contents.items()
        ],
    }
    (folder / "rtl").mkdir(parents=True)
    for path, text in contents.items():
        (folder / path).write_text(text)
    (folder / "design.json").write_text(json.dumps(document | changes))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.synthesis
def test_stand_in_core_to_bitstream(tmp_path: Path) -> None:
    design = make_design(tmp_path / "with space")
    lines: list[str] = []
    result = synthesize(design, lines.append)
    written = json.loads((design / "synthesis.json").read_text())
    assert written == json.loads(json.dumps(result.to_dict()))
    assert result.measured
    assert result.clock_met
    assert result.fmax_hz >= 100_000_000
    assert result.bitstream == "synthesis/loop.bit"
    assert (design / result.bitstream).stat().st_size > 10_000
    assert 50 < result.luts < 1000
    assert result.available == {"luts": 83640, "ffs": 83640, "dsps": 156, "block_rams": 208}
    assert result.block_rams >= 1
    assert [clock.target_hz for clock in result.clocks] == [100_000_000]
    assert result.critical_path is not None
    assert result.critical_path.delay_ns == pytest.approx(1e9 / result.fmax_hz, rel=0.01)
    assert set(result.stages) == {"yosys", "nextpnr", "ecppack"}
    assert {line.split(":")[0] for line in lines} >= {"yosys", "nextpnr", "ecppack", "synthesize"}
    assert names(design) == {"design.json", "rtl", "synthesis", "synthesis.json"}


@pytest.mark.synthesis
def test_a_clock_that_no_seed_meets_is_tried_again(tmp_path: Path) -> None:
    """The fastest seed, with wires that are taken up again; without a bitstream where that does not meet it, either."""
    design = make_design(tmp_path / "design", clock_hz_target=400_000_000)
    lines: list[str] = []
    result = synthesize(design, lines.append, seeds=(2, 1))
    reached = {line.split(" reached ")[0]: float(line.split()[-5]) for line in lines if " reached " in line}
    first, second, again = reached
    assert (first, second) == ("nextpnr: seed 2", "nextpnr: seed 1")
    faster = max((first, second), key=lambda name: reached[name])
    assert again == f"{faster}, wires taken up again"
    assert result.fmax_hz / 1e6 == pytest.approx(max(reached.values()), abs=0.06)
    assert result.routed_again == (reached[again] >= reached[faster])
    assert (result.clock_met, result.bitstream, result.seeds_tried) == (False, None, (2, 1))


@pytest.mark.synthesis
def test_no_seed_in_time_leaves_nothing(tmp_path: Path) -> None:
    design = make_design(tmp_path / "design")
    lines: list[str] = []
    with pytest.raises(ToolError, match=r"^nextpnr routed none of the seeds 5, 6 within 0 s each: allow more time"):
        synthesize(design, lines.append, time_limit_s=0.1, seeds=(5, 6))
    assert "nextpnr: seed 5 was not routed within 0 s" in lines
    assert names(design) == {"design.json", "rtl"}


@pytest.mark.synthesis
def test_verilog_that_yosys_refuses_is_quoted(tmp_path: Path) -> None:
    design = make_design(tmp_path / "design", top="other")
    with pytest.raises(
        ToolError, match=r"^yosys failed with status 1: ERROR: Module .*other.* is not part of the design"
    ):
        synthesize(design, print)
    assert names(design) == {"design.json", "rtl"}


def test_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    design = make_design(tmp_path / "design")
    (design / "rtl" / "bias.hex").write_text("0\n")
    with pytest.raises(DesignError, match=r"bias\.hex' was changed after the design was generated"):
        synthesize(design, print)
    (design / "rtl" / "bias.hex").unlink()
    with pytest.raises(DesignError, match=r"bias\.hex' is missing from the design"):
        synthesize(design, print)


def test_design_without_a_board_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match=r"was made for no board: generate it again with --board\.$"):
        synthesize(make_design(tmp_path / "design", board=None), print)


def test_a_device_with_a_link_over_no_pins_is_refused(tmp_path: Path) -> None:
    device = {"name": "left", "top": "t", "links": [{"name": "out", "to": "right", "word_bits": 64, "pins": None}]}
    with pytest.raises(
        DesignError,
        match=r"^The link from device 'left' to 'right' goes over no pins of its board; give it phy = \"pins\" in the "
        r"system file and partition the model again\.$",
    ):
        synthesize(make_design(tmp_path / "design", device=device), print)


def test_unknown_board_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="^No board is called 'none'"):
        synthesize(make_design(tmp_path / "design", board={"name": "none"}), print)


def test_folder_without_a_design_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match=re.escape("holds no design.json")):
        synthesize(tmp_path, print)


def test_no_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="^Placement needs at least one seed, not none"):
        synthesize(make_design(tmp_path / "design"), print, seeds=())


def step(kind: str, delay: float, source: str, target: str, **more: str) -> dict[str, Any]:
    ends = {"from": {"cell": source, "port": "Q"}, "to": {"cell": target, "port": "D"}}
    return {"type": kind, "delay": delay, **ends, **more}


def test_report_gives_the_slowest_clock_and_path() -> None:
    path = [step("clk-to-q", 0.5, "a", "a"), step("routing", 2.0, "a", "b", net="n"), step("setup", 0.25, "b", "b")]
    report = {
        "fmax": {
            "$glbnet$x$TRELLIS_IO_IN": {"achieved": 120.5, "constraint": 50},
            "y": {"achieved": 90.0, "constraint": 100},
        },
        "utilization": {"TRELLIS_COMB": {"used": 7, "available": 9}, "DP16KD": {"used": 1, "available": 2}},
        "critical_paths": [
            {"from": "posedge y", "to": "posedge y", "path": path},
            {"from": "<async>", "to": "posedge y", "path": [step("routing", 9.0, "p", "q", net="m")]},
        ],
    }
    routed = read_report(report, Ecp5Tools.counted, {})
    assert (routed.fmax_hz, routed.clock_met) == (90_000_000, False)
    assert routed.used == {"luts": 7, "ffs": 0, "dsps": 0, "block_rams": 1}
    clocks = [(clock.name, clock.fmax_hz, clock.target_hz) for clock in routed.clocks]
    assert clocks == [("x", 120_500_000, 50_000_000), ("y", 90_000_000, 100_000_000)]
    critical = routed.critical_path
    assert critical is not None
    assert (critical.source, critical.target) == ("a.Q", "b.D")
    assert (critical.delay_ns, critical.logic_ns, critical.routing_ns) == (2.75, 0.75, 2.0)
    assert [item.net for item in critical.steps] == [None, "n", None]


def test_result_keeps_the_names_others_rely_on() -> None:
    fields = set(SynthesisResult.__dataclass_fields__)
    promised = "tool tool_version device fmax_hz clock_met luts ffs dsps block_rams bitstream seconds measured"
    assert set(promised.split()) <= fields
