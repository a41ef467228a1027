"""The command line's grammar."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path
from typing import Literal, NoReturn

from rnngen.cli import boards, check, completion, count, factorize, partition, prune, serve
from rnngen.cli.style import alarm
from rnngen.flow.synthesize import FLOWS
from rnngen.frontend.options import NONLINEARITIES, OUTPUTS
from rnngen.plan.dsp import DSPS
from rnngen.plan.external import MemoryPort
from rnngen.plan.search import DEFAULT_CAPACITY
from rnngen.plan.timing import PIPELINES
from rnngen.verify.compile import WAVE_FORMATS

_EXAMPLES = {
    "inspect": "rnngen inspect model.safetensors",
    "generate": "rnngen generate model.safetensors -o design --calibrate x.npy --board ulx3s-85f",
    "emulate": "rnngen emulate design --input x.npy --output y.npy",
    "simulate": "rnngen simulate design --input x.npy --stall 0.2",
    "synthesize": "rnngen synthesize design",
    "report": "rnngen report design",
    "doctor": "rnngen doctor",
}
"""Of the commands whose arguments are here; the others bring theirs."""

_WRITES = {
    "inspect": "nothing",
    "generate": "the design folder: DIR/design.json, DIR/rtl (Verilog and memory images), DIR/data (parameters)",
    "emulate": "Y.npy and S.npz, where they are asked for",
    "simulate": "DIR/simulation.json, DIR/simulation, and Y.npy where it is asked for",
    "synthesize": "DIR/synthesis.json and DIR/synthesis: logs and the bitstream",
    "report": "DIR/report.html, which needs nothing beside it",
    "doctor": "nothing",
}

_JOB = """\
the job, step by step:
  rnngen inspect model.safetensors
  rnngen generate model.safetensors -o design --calibrate x.npy --board ulx3s-85f
  rnngen emulate design --input x.npy --output y.npy
  rnngen simulate design --input x.npy --steps 100
  rnngen synthesize design
  rnngen report design

'rnngen COMMAND --help' says more of each, with an example, and what it writes."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; the usage is one --help away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{alarm('rnngen:', sys.stderr)} {message[:1].upper()}{message[1:]}; see '{self.prog} --help'.\n")


class _Format(argparse.RawDescriptionHelpFormatter):
    """Leaves an epilog's lines as they are, but not longer than the terminal is wide."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = [
            textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False) or [""]
            for line in text.splitlines()
        ]
        return "\n".join(indent + line for found in lines for line in found)


def _lanes(text: str) -> tuple[int, int, int]:
    try:
        gates, rows, columns = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be GATES,ROWS,COLUMNS such as 4,16,2, not '{text}'") from None
    return gates, rows, columns


def _streams(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or auto, not '{text}'") from None


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, summary: str, example: str = "", writes: str = ""
) -> _Parser:
    """A command that says at the end of its help what it writes, with an example.

    A command of a module of its own gives ``SUMMARY``, ``EXAMPLE`` and ``WRITES`` of that module.
    """
    epilog = f"writes: {writes or _WRITES[name]}\n\nexample:\n  {example or _EXAMPLES[name]}"
    parser = commands.add_parser(
        name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}.", epilog=epilog, formatter_class=_Format
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _add_design(parser: _Parser) -> None:
    parser.add_argument("design", metavar="DIR", type=Path, help="folder made by 'rnngen generate'")


def _add_import(parser: _Parser) -> None:
    """MODEL, and what it does not say."""
    formats = "state dict (.safetensors, .pt, .pth) or model (.pt2, .onnx, .keras, .npz)"
    parser.add_argument("model", metavar="MODEL", type=Path, help=formats)
    _add_choices(parser)


def _add_choices(parser: _Parser) -> None:
    """What a state dict does not say."""
    choices = parser.add_argument_group("what the model itself does not say")
    choices.add_argument("--select", metavar="NAME", help="recurrent layer inside a larger model")
    choices.add_argument("--embedding", metavar="NAME", help="state dict: embedding in front of it")
    choices.add_argument(
        "--head",
        metavar="NAME[:FUNCTION]",
        action="append",
        default=[],
        help="state dict: Linear layer or batch norm behind it, such as fc1:relu, bn:eps=1e-3, fc2:argmax; in order",
    )
    choices.add_argument(
        "--output", dest="steps_out", metavar="WHICH", help=f"state dict: its output, {', '.join(OUTPUTS)}"
    )
    choices.add_argument(
        "--nonlinearity", metavar="WHICH", help=f"state dict: of a plain RNN, {' or '.join(NONLINEARITIES)}"
    )
    choices.add_argument("--mapping", metavar="FILE", type=Path, help=".npz: which array is what")


def _add_target(parser: _Parser) -> None:
    """MODEL, and DIR that is made of it."""
    _add_import(parser)
    parser.add_argument("-o", dest="design", metavar="DIR", type=Path, required=True, help="folder to write")
    parser.add_argument("--calibrate", metavar="X.npy", type=Path, help="real input (sequences, steps, features)")


def _add_numbers(parser: _Parser) -> None:
    """Widths, zeros, and what can be written at run time."""
    parser.add_argument("--weight-bits", metavar="N", type=int, default=8, help="2..18 (default: %(default)s)")
    parser.add_argument("--activation-bits", metavar="N", type=int, default=16, help="4..18 (default: %(default)s)")
    parser.add_argument(
        "--banks", metavar="B", type=int,
        help="the model is sparse, each row balanced over B banks: zeros are not multiplied (see rnngen prune)",
    )  # fmt: skip
    parser.add_argument(
        "--share-rows", metavar="N", type=int, default=1, help="with --banks: N neighbouring rows have the same columns"
    )
    parser.add_argument("--pad", action="store_true", help="with --banks: zeros are added where rows do not fit")
    parser.add_argument(
        "--linear", metavar="NAME", nargs="+", action="extend", default=[],
        help="with --banks: Linear layers that are sparse, too",
    )  # fmt: skip
    parser.add_argument(
        "--dense", metavar="LAYER", nargs="+", action="extend", default=[],
        help="with --banks: layers or matrices whose zeros are multiplied (default: those without a zero)",
    )  # fmt: skip
    parser.add_argument("--loadable", action="store_true", help="weights can also be loaded over the control port")
    parser.add_argument(
        "--double-buffer", action="store_true",
        help="as --loadable, and while it computes: each memory holds two images, which change between sequences",
    )  # fmt: skip
    parser.add_argument("--state", action="store_true", help="states can be given and read over the control port")
    parser.add_argument(
        "--fold", action=argparse.BooleanOptionalAction,
        help="all layers share one array of multipliers in turns, or none (default: where multipliers are few)",
    )  # fmt: skip
    parser.add_argument(
        "--max-steps", metavar="T", type=int, default=DEFAULT_CAPACITY,
        help="backward layers: steps of the longest sequence (default: %(default)s)",
    )  # fmt: skip


def _add_generate(parser: _Parser) -> None:
    _add_target(parser)
    parser.add_argument(
        "--multipliers", metavar="N", type=int, help="multipliers to spend: products a cycle (--board: at most its own)"
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--board", metavar="NAME", help="board, or file of one, whose device is the budget (default: ulx3s-85f)"
    )
    budget.add_argument("--dsps", metavar="N", type=int, help="DSP blocks to spend, element-wise paths included")
    budget.add_argument(
        "--lanes", metavar="GATES,ROWS,COLUMNS", type=_lanes,
        help="lanes of each recurrent layer, such as 4,16,2 (or 1,16,2: its gates in turn)",
    )  # fmt: skip
    kinds = ", ".join(f"{dsp.name} ({dsp.wide} x {dsp.narrow})" for dsp in DSPS.values())
    parser.add_argument(
        "--dsp", metavar="KIND",
        help=f"the device's DSP block, which gives two products where the widths allow: {kinds}; a board knows its own",
    )  # fmt: skip
    _add_numbers(parser)
    parser.add_argument(
        "--streams", metavar="S", type=_streams, default=1,
        help="interleaved sequences, named by TID; auto: the fewest that keep the multipliers busy",
    )  # fmt: skip
    parser.add_argument(
        "--spaced", action="store_true", help="sparse input: h-parts are computed before x comes, for the least latency"
    )
    parser.add_argument(
        "--clock", metavar="MHZ", type=float, dest="clock_mhz",
        help="the clock that the design is meant for (default: the board's, or 100)",
    )  # fmt: skip
    parser.add_argument(
        "--pipeline", metavar="DEPTH",
        help=f"registers for a fast clock or for few cycles: {', '.join(PIPELINES)} (default: as few as were routed at "
        "the clock)",
    )  # fmt: skip
    parser.add_argument(
        "--weights", metavar="WHERE", default="chip",
        help="chip; spram: the single-port RAM of an iCE40 UltraPlus, which the control port fills; or external: read "
        "over AXI4 (m_axi) from memory (default: %(default)s)",
    )  # fmt: skip
    port = parser.add_argument_group("port to external weights")
    for name, unit, value, what in (
        ("bits", "N", MemoryPort.data_bits, "width of its data"),
        ("latency", "CYCLES", MemoryPort.latency, "from an address accepted to the first data, as the plan counts"),
        ("burst", "BEATS", MemoryPort.burst, "beats of a burst, a power of two"),
    ):
        port.add_argument(f"--memory-{name}", metavar=unit, type=int, default=value, help=f"{what} (default: {value})")
    parser.add_argument(
        "--no-count", action="store_true", help="with a board: do not count LUTs and registers, nor see that they fit"
    )
    parser.add_argument("--name", metavar="TOP", help="name of the top module (default: from MODEL)")


def _add_partition(parser: _Parser) -> None:
    _add_target(parser)
    partition.add_arguments(parser)
    _add_numbers(parser)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="rnngen", description="Verified FPGA accelerators from trained recurrent networks.", epilog=_JOB,
        formatter_class=_Format,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_import(_command(commands, "inspect", "show what a model holds, and what of it becomes the accelerator"))
    proof = _command(commands, "check", check.SUMMARY, check.EXAMPLE, check.WRITES)
    _add_import(proof)
    check.add_arguments(proof)
    _add_generate(_command(commands, "generate", "generate an accelerator"))
    _add_partition(_command(commands, "partition", partition.SUMMARY, partition.EXAMPLE, partition.WRITES))
    emulate = _command(commands, "emulate", "run the bit-exact software model")
    _add_design(emulate)
    emulate.add_argument("--input", metavar="X.npy", type=Path, required=True, help="(sequences, steps, features)")
    emulate.add_argument("--output", metavar="Y.npy", type=Path, help="where the output goes")
    emulate.add_argument("--lengths", metavar="L.npy", type=Path, help="steps of each sequence, where they differ")
    emulate.add_argument("--state", metavar="S.npz", type=Path, help="LAYER.h_0 and LAYER.c_0, (sequences, words)")
    emulate.add_argument("--final-state", metavar="S.npz", type=Path, help="where LAYER.h_n and LAYER.c_n go")
    simulate = _command(commands, "simulate", "simulate the circuit and compare it with the software model")
    _add_design(simulate)
    simulate.add_argument("--input", metavar="X.npy", type=Path, help="default: uniform random numbers")
    simulate.add_argument("--output", metavar="Y.npy", type=Path, help="where the circuit's output goes")
    simulate.add_argument("--steps", metavar="N", type=int, help="steps of each sequence")
    simulate.add_argument("--lengths", metavar="L.npy", type=Path, help="steps of each sequence, where they differ")
    simulate.add_argument("--apart", action="store_true", help="of a system: a process for each device; no --stall")
    simulate.add_argument("--stall", metavar="P", type=float, default=0.0, help="probability of a pause, both ports")
    simulate.add_argument(
        "--gap", metavar="CYCLES", type=int, default=0, help="sparse input: cycles between the arrivals of steps"
    )
    simulate.add_argument(
        "--memory", metavar="MODEL",
        help="of external weights: exact, of the plan's latency (default), or axiram, cocotbext-axi's (with --stall)",
    )  # fmt: skip
    simulate.add_argument(
        "--waves", metavar="FORMAT", nargs="?", const=WAVE_FORMATS[0], choices=WAVE_FORMATS,
        help="write waveforms, vcd (default) or fst (needs headers of zlib and lz4), with views for GTKWave and Surfer",
    )  # fmt: skip
    synthesize = _command(commands, "synthesize", "place and route for the design's board")
    _add_design(synthesize)
    synthesize.add_argument(
        "--flow", metavar="FLOW",
        help=f"{', '.join(FLOWS)}: a vendor's tool gets its project in DIR/FLOW (default: the board's first)",
    )  # fmt: skip
    synthesize.add_argument(
        "--dry-run", action="store_true",
        help="write a vendor's project and run its script with stand-ins for the vendor's commands; no tool is needed",
    )  # fmt: skip
    counting = _command(commands, "count", count.SUMMARY, count.EXAMPLE, count.WRITES)
    _add_design(counting)
    count.add_arguments(counting)
    _add_design(_command(commands, "report", "write the HTML report"))
    factorize.add_arguments(_command(commands, "factorize", factorize.SUMMARY, factorize.EXAMPLE, factorize.WRITES))
    prune.add_arguments(_command(commands, "prune", prune.SUMMARY, prune.EXAMPLE, prune.WRITES))
    listing = _command(commands, "boards", boards.SUMMARY, boards.EXAMPLE, boards.WRITES)
    boards.add_arguments(listing)
    _add_choices(listing)
    served = _command(commands, "serve-sim", serve.SUMMARY, serve.EXAMPLE, serve.WRITES)
    _add_design(served)
    serve.add_arguments(served)
    _command(commands, "doctor", "which tools are here")
    shells = _command(commands, "completion", completion.SUMMARY, completion.EXAMPLE, completion.WRITES)
    completion.add_arguments(shells)
    return parser
