"""The ports of a module, read off its Verilog."""

from __future__ import annotations

import pytest

from rnngen.emit.design import Design
from rnngen.emit.ports import module_ports
from rnngen.errors import DesignError
from tests.reuse.cores import AXIL, ports_of, stream, verilog_of


@pytest.mark.parametrize("full", [True, False])
def test_ports_are_those_of_the_verilog(full: bool) -> None:
    ports = module_ports(verilog_of("tiny", full), "tiny")
    assert {port.name: (port.is_input, port.width) for port in ports.all} == ports_of(full)
    assert [port.name for port in ports.all[:2]] == ["aclk", "aresetn"]
    assert len(ports.all) == len(ports_of(full))


def test_buses_are_told_apart() -> None:
    ports = module_ports(verilog_of("tiny"), "tiny")
    found = [(bus.name, bus.kind, bus.master) for bus in ports.buses]
    assert found == [
        ("s_axis", "axis", False), ("m_axis", "axis", True), ("s_axil", "axil", False), ("m_axi", "axi", True)
    ]  # fmt: skip
    assert [port.name for port in ports.others] == ["irq"]
    bus = ports.bus("s_axil")
    assert bus is not None
    assert bus.signals.keys() == AXIL.keys()
    assert ports.bus("m_axi_2") is None


def test_ports_of_a_device_that_shares_a_layer() -> None:
    """Streams from and to other devices are streams of their own."""
    text = verilog_of("tiny", False).replace(
        "  input aclk;\n  wire", "  input [7:0] s_axis_h1_tdata;\n  input s_axis_h1_tvalid;\n"
        "  output s_axis_h1_tready;\n  output [7:0] m_axis_h_tdata;\n  input aclk;\n  wire"
    )  # fmt: skip
    ports = module_ports(text, "tiny")
    assert [bus.name for bus in ports.buses] == ["s_axis", "m_axis", "s_axil", "m_axis_h", "s_axis_h1"]
    assert [bus.master for bus in ports.buses] == [False, True, False, True, False]
    assert ports.others == ()


def test_ports_of_a_real_core(design: Design) -> None:
    """What design.json and the AXI specification say."""
    ports = module_ports((design.folder / "rtl" / "tiny.v").read_text(), "tiny")
    said = design.document["ports"]
    widths = {name: said[name]["tdata_bits"] for name in ("s_axis", "m_axis")}
    expected = {name: stream(name == "m_axis", width) for name, width in widths.items()}
    for bus in ports.buses:
        signals = {name: (port.is_input, port.width) for name, port in bus.signals.items()}
        assert signals == (expected | {"s_axil": AXIL})[bus.name]
    assert {port.name for port in ports.others} <= {"irq"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The Verilog has no module 'tiny'"),
        (verilog_of("tiny").replace("input aresetn", "output aresetm"), "Module 'tiny' has no port 'aresetn'"),
    ],
)
def test_what_cannot_be_read(text: str, sentence: str) -> None:
    with pytest.raises(DesignError, match=sentence):
        module_ports(text, "tiny")
