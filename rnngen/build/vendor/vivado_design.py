"""Vivado, boards with a processing system: a block design with the core as IP, a DMA, and the processors' ports.

Steps come from memory over the DMA and results go there: a transfer is a sequence, which TLAST ends.  The control port
is in the processors' address space.  A DMA has beats of 8, 16, .. 1,024 bits; a converter is between it and a core
whose beats have another number of bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnngen.build.vendor.project import SCRIPT, Parts
from rnngen.emit.ports import INTERRUPT
from rnngen.emit.reuse import core_of
from rnngen.emit.reuse.vivado_ip import package_script, vlnv
from rnngen.errors import DesignError, PlanError

PACKAGE_SCRIPT = "package_ip.tcl"
_DMA_BITS = (8, 16, 32, 64, 128, 256, 512, 1024)
_BESIDE_BITS = 64
_MOST_DIVISOR = 63


@dataclass(frozen=True)
class _Processor:
    """The processing system of a family, by the names of its ports and parameters."""

    ip: str
    rule: str
    clock: str
    reset: str
    control: str
    memory: str
    clocks: tuple[str, ...]
    interrupt: str
    parameters: str


_PROCESSORS = {
    "zynq7": _Processor(
        ip="processing_system7",
        rule='make_external "FIXED_IO, DDR" apply_board_preset "1" Master "Disable" Slave "Disable"',
        clock="FCLK_CLK0",
        reset="FCLK_RESET0_N",
        control="M_AXI_GP0",
        memory="S_AXI_HP0",
        clocks=("M_AXI_GP0_ACLK", "S_AXI_HP0_ACLK"),
        interrupt="IRQ_F2P",
        parameters="""\
    CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ {mega}
    CONFIG.PCW_USE_M_AXI_GP0 1
    CONFIG.PCW_USE_S_AXI_HP0 1
    CONFIG.PCW_USE_FABRIC_INTERRUPT 1
    CONFIG.PCW_IRQ_F2P_INTR 1
""",
    ),
    "zynqmp": _Processor(
        ip="zynq_ultra_ps_e",
        rule='apply_board_preset "1"',
        clock="pl_clk0",
        reset="pl_resetn0",
        control="M_AXI_HPM0_FPD",
        memory="S_AXI_HP0_FPD",
        clocks=("maxihpm0_fpd_aclk", "saxihp0_fpd_aclk"),
        interrupt="pl_ps_irq0",
        parameters="""\
    CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ {mega}
    CONFIG.PSU__USE__M_AXI_GP0 1
    CONFIG.PSU__USE__M_AXI_GP1 0
    CONFIG.PSU__USE__M_AXI_GP2 0
    CONFIG.PSU__USE__S_AXI_GP2 1
    CONFIG.PSU__USE__IRQ0 1
""",
    ),
}

_SCRIPT = """\
# {name} for {board}, made by rnngen: vivado -mode batch -source {script}
cd [file dirname [file normalize [info script]]]

set part {part}
set board_part {board_part}
if {{[lsearch -exact [get_board_parts -quiet] $board_part] < 0}} {{
    error "the files of board $board_part are not installed: put them into Vivado's board store, and run this again"
}}

set argv [list [file normalize ip] $part]
source {package}

create_project -force -part $part {name} [file normalize project]
set_property board_part $board_part [current_project]
set_property ip_repo_paths [file normalize ip] [current_project]
update_ip_catalog
create_bd_design {design}

create_bd_cell -type ip -vlnv xilinx.com:ip:{processor} ps
apply_bd_automation -rule xilinx.com:bd_rule:{processor} -config {{{rule}}} [get_bd_cells ps]
set_property -dict {{
{parameters}}} [get_bd_cells ps]
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset resets
create_bd_cell -type ip -vlnv {vlnv} core
create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma dma
set_property -dict {{
    CONFIG.c_include_sg 0
    CONFIG.c_sg_length_width 26
    CONFIG.c_m_axis_mm2s_tdata_width {in_bits}
    CONFIG.c_m_axi_mm2s_data_width {in_memory_bits}
    CONFIG.c_s_axis_s2mm_tdata_width {out_bits}
    CONFIG.c_m_axi_s2mm_data_width {out_memory_bits}
}} [get_bd_cells dma]
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect to_registers
set_property -dict {{CONFIG.NUM_SI 1 CONFIG.NUM_MI 2}} [get_bd_cells to_registers]
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect to_memory
set_property -dict {{CONFIG.NUM_SI {masters} CONFIG.NUM_MI 1}} [get_bd_cells to_memory]
create_bd_cell -type ip -vlnv xilinx.com:ip:xlconcat interrupts
set_property CONFIG.NUM_PORTS {interrupts} [get_bd_cells interrupts]
{converters}
# Processors to registers, the DMA to memory, and streams through the core.
foreach {{from to}} {{
{wires}}} {{
    connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
}}
foreach net {{
{nets}}} {{
    connect_bd_net {{*}}[lmap pin $net {{get_bd_pins $pin}}]
}}
assign_bd_address
validate_bd_design
save_bd_design
add_files -norecurse [make_wrapper -files [get_files {design}.bd] -top]
set_property top {design}_wrapper [get_filesets sources_1]
update_compile_order -fileset sources_1

launch_runs synth_1 -jobs 4
wait_on_run synth_1
launch_runs impl_1 -to_step route_design -jobs 4
wait_on_run impl_1
open_run impl_1

report_utilization -file utilisation.rpt
report_timing_summary -max_paths 10 -file timing.rpt
report_drc -file drc.rpt

# A bitstream that misses its clock would compute rubbish.
set setup [get_property SLACK [get_timing_paths -delay_type max -max_paths 1]]
set hold [get_property SLACK [get_timing_paths -delay_type min -max_paths 1]]
if {{$setup >= 0 && $hold >= 0}} {{
    write_bitstream -force {name}.bit
    # What software reads of the design, beside the bitstream under its name.
    set handoff [glob project/{name}.*/sources_1/bd/{design}/hw_handoff/{design}.hwh]
    file copy -force [lindex $handoff 0] {name}.hwh
}} else {{
    puts "rnngen: the clock is missed (setup $setup ns, hold $hold ns); no bitstream is written"
}}
"""


def design_files(parts: Parts) -> dict[str, str]:
    """Scripts that package the core and build the block design around it.

    Raises:
        DesignError: if the core is a device's of a system, or has several streams.
        PlanError: if the processing system does not make the clock.
    """
    board = parts.board
    if board.host.processor not in _PROCESSORS:
        raise DesignError(f"Board '{board.name}' names no processing system; wire the core in a design of your own.")
    if parts.design.get("device") is not None:
        raise DesignError(f"Board '{board.name}' has no pins for links of devices; generate a design for it alone.")
    if parts.design["ports"].get("tid_bits"):
        raise DesignError("A DMA's stream has no TID, which tells several streams apart; generate with --streams 1.")
    core = core_of(parts.design, parts.texts[f"{parts.top}.v"], parts.texts, parts.images)
    processor = _PROCESSORS[board.host.processor]
    in_bits, out_bits = (parts.design["ports"][name]["tdata_bits"] for name in ("s_axis", "m_axis"))
    dma_in, dma_out = (bits if bits in _DMA_BITS else _BESIDE_BITS for bits in (in_bits, out_bits))
    external = core.ports.bus("m_axi") is not None
    interrupt = any(port.name == INTERRUPT for port in core.ports.others)
    script = _SCRIPT.format(
        name=parts.name,
        board=board.description,
        script=SCRIPT,
        part=board.part,
        board_part=board.board_part,
        package=PACKAGE_SCRIPT,
        design="system",
        processor=processor.ip,
        rule=processor.rule,
        parameters=processor.parameters.format(mega=_mega(parts)),
        vlnv=vlnv(core),
        in_bits=dma_in,
        in_memory_bits=max(32, dma_in),
        out_bits=dma_out,
        out_memory_bits=max(32, dma_out),
        masters=3 if external else 2,
        interrupts=3 if interrupt else 2,
        converters=_converter("take", dma_in, in_bits) + _converter("give", out_bits, dma_out),
        wires=_wires(processor, dma_in != in_bits, dma_out != out_bits, external),
        nets=_nets(processor, dma_in != in_bits, dma_out != out_bits, interrupt),
    )
    return {SCRIPT: script, PACKAGE_SCRIPT: package_script(core, ".")}


def _mega(parts: Parts) -> str:
    """The clock in MHz, which is a PLL of the processing system divided twice by up to 63.

    Raises:
        PlanError: if it is not; the nearest ones are named.
    """
    source, wanted = parts.board.clock.input_hz, parts.clock_hz
    divisors = sorted({a * b for a in range(1, _MOST_DIVISOR + 1) for b in range(1, a + 1)})
    if not any(wanted * divisor == source for divisor in divisors):
        nearest = sorted(divisors, key=lambda divisor: abs(source / divisor - wanted))[:2]
        named = " or ".join(f"{source / divisor / 1e6:.9g}" for divisor in sorted(nearest, reverse=True))
        raise PlanError(
            f"The processing system of board '{parts.board.name}' divides {source / 1e6:g} MHz and cannot make "
            f"{wanted / 1e6:.9g} MHz: ask for {named} MHz."
        )
    return f"{wanted / 1e6:.9g}"


def _converter(name: str, from_bits: int, to_bits: int) -> str:
    """Between streams of unlike beats; nothing where they are alike."""
    if from_bits == to_bits:
        return ""
    return (
        f"create_bd_cell -type ip -vlnv xilinx.com:ip:axis_dwidth_converter {name}\n"
        f"set_property -dict {{CONFIG.S_TDATA_NUM_BYTES {from_bits // 8} CONFIG.M_TDATA_NUM_BYTES {to_bits // 8} "
        f"CONFIG.HAS_TLAST 1 CONFIG.HAS_TKEEP 1}} [get_bd_cells {name}]\n"
    )


def _wires(processor: _Processor, take: bool, give: bool, external: bool) -> str:
    """Interfaces that are joined, master first."""
    pairs = [
        (f"ps/{processor.control}", "to_registers/S00_AXI"),
        ("to_registers/M00_AXI", "dma/S_AXI_LITE"),
        ("to_registers/M01_AXI", "core/s_axil"),
        ("dma/M_AXI_MM2S", "to_memory/S00_AXI"),
        ("dma/M_AXI_S2MM", "to_memory/S01_AXI"),
        *([("core/m_axi", "to_memory/S02_AXI")] if external else []),
        ("to_memory/M00_AXI", f"ps/{processor.memory}"),
    ]
    for converted, name, from_, to in (
        (take, "take", "dma/M_AXIS_MM2S", "core/s_axis"), (give, "give", "core/m_axis", "dma/S_AXIS_S2MM")
    ):  # fmt: skip
        pairs += [(from_, f"{name}/S_AXIS"), (f"{name}/M_AXIS", to)] if converted else [(from_, to)]
    return "".join(f"    {from_} {to}\n" for from_, to in pairs)


def _nets(processor: _Processor, take: bool, give: bool, interrupt: bool) -> str:
    """One clock and one reset for everything, and interrupts; a net's driver comes first."""
    converters = [name for name, there in (("take", take), ("give", give)) if there]
    clocked = [f"ps/{pin}" for pin in processor.clocks]
    clocked += ["resets/slowest_sync_clk", "core/aclk", "to_registers/aclk", "to_memory/aclk"]
    clocked += ["dma/s_axi_lite_aclk", "dma/m_axi_mm2s_aclk", "dma/m_axi_s2mm_aclk"]
    clocked += [f"{name}/aclk" for name in converters]
    held = ["core/aresetn", "to_registers/aresetn", "to_memory/aresetn", "dma/axi_resetn"]
    held += [f"{name}/aresetn" for name in converters]
    nets = [
        [f"ps/{processor.clock}", *clocked],
        [f"ps/{processor.reset}", "resets/ext_reset_in"],
        ["resets/peripheral_aresetn", *held],
        ["dma/mm2s_introut", "interrupts/In0"],
        ["dma/s2mm_introut", "interrupts/In1"],
        *([["core/irq", "interrupts/In2"]] if interrupt else []),
        ["interrupts/dout", f"ps/{processor.interrupt}"],
    ]
    return "".join(f"    {{{' '.join(net)}}}\n" for net in nets)
