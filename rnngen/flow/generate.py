"""Model to design folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy.typing as npt

from rnngen.arith.format import FloatArray
from rnngen.config.board import Board, load_board
from rnngen.emit.design import Design, write_design
from rnngen.emit.folder import check_target
from rnngen.errors import PlanError
from rnngen.flow.arrays import read_array
from rnngen.frontend import ImportOptions, Model, load
from rnngen.frontend.identifier import check_identifier
from rnngen.frontend.options import DEFAULT_IMPORT
from rnngen.gateware.board_ulx3s import pll_settings
from rnngen.ir.inputs import check_input
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.banked import fit_network, with_masks
from rnngen.passes.fold import fold
from rnngen.passes.prune_layers import FitOptions
from rnngen.passes.quantise import quantise
from rnngen.plan.dsp import DSPS, Dsp
from rnngen.plan.external import MemoryPort
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import DEFAULT_CAPACITY, Budget, plan_for_lanes, plan_for_streams, plan_with_folding
from rnngen.plan.shapes import BlockShape, block_shapes
from rnngen.plan.timing import PIPELINES, Pipeline, pipeline_for

DEFAULT_BOARD = "ulx3s-85f"
DEFAULT_CLOCK_HZ = 100_000_000
"""Clock a design without a board is described for."""


@dataclass(frozen=True)
class GenerateOptions:
    """Choices of a design; at most one of ``board``, ``multipliers``, ``lanes`` and ``dsps``.

    Attributes:
        imports: What the model itself does not say.
        calibrate: Real input, an array (sequences, steps, features) or a .npy file; None proves ranges.
        calibration: What that input is, for the report.
        board: Board name; its device is the budget.  With neither budget nor lanes: ``DEFAULT_BOARD``.
        multipliers: Budget of products a cycle.
        dsps: Budget of DSP blocks, element-wise paths included.
        dsp: A key of ``rnngen.plan.dsp.DSPS``: the device's DSP block, which may give two products; a board knows its.
        lanes: (gates, rows, columns) of every recurrent layer.
        weight_bits: 2..18.  activation_bits: 4..18.
        banks: The model is sparse, and its zeros are not multiplied: how they lie in banks; None: all are multiplied.
        loadable: Weights and biases can be written over the control port at run time, besides being initialised.
        state_access: The state that sequences begin with can be given at run time, and each stream's be read.
        streams: Interleaved sequences that keep a state each; TID names them.  ``"auto"``: the fewest that keep the
            multipliers busy.
        spaced: For sparse input: the h-part of each recurrent layer is computed before x comes, so that the latency
            holds only the x-part.
        fold: Whether all layers share one multiplier array in turns; None: where the budget is too small else, or small
            and the interval shorter so.
        clock_mhz: The clock that the design is meant for; None: the board's, or 100 MHz.
        pipeline: A key of ``rnngen.plan.timing.PIPELINES``: registers for a fast clock, or for few cycles; None: as few
            registers as place and route has shown to reach the clock.
        weights: ``"chip"``, or ``"external"``: all weights are read from external memory over AXI4.
        memory_bits, memory_latency, memory_burst: Of that memory's port, as in ``rnngen.plan.external.MemoryPort``.
        max_steps: Steps of the longest sequence, where sequences are stored (backward layers).
        name: Name of the top module.
    """

    imports: ImportOptions = DEFAULT_IMPORT
    calibrate: npt.ArrayLike | Path | str | None = None
    calibration: str = ""
    board: str | None = None
    multipliers: int | None = None
    dsps: int | None = None
    dsp: str | None = None
    lanes: tuple[int, int, int] | None = None
    weight_bits: int = 8
    activation_bits: int = 16
    banks: FitOptions | None = None
    loadable: bool = False
    state_access: bool = False
    streams: int | Literal["auto"] = 1
    spaced: bool = False
    fold: bool | None = None
    clock_mhz: float | None = None
    pipeline: str | None = None
    weights: str = "chip"
    memory_bits: int = MemoryPort.data_bits
    memory_latency: int = MemoryPort.latency
    memory_burst: int = MemoryPort.burst
    max_steps: int = DEFAULT_CAPACITY
    name: str | None = None


DEFAULT_OPTIONS = GenerateOptions()


def generate(
    model: Model, folder: Path | str, options: GenerateOptions = DEFAULT_OPTIONS,
    progress: Callable[[str], None] = lambda line: None,
) -> Design:  # fmt: skip
    """Generates the accelerator of a model into a folder; ``progress`` is told what is being done.

    Raises:
        RnngenError: whatever is wrong with model, options, calibration input, budget or folder;
            nothing is written then.
    """
    target = Path(folder)
    check_target(target)
    _check_choice(options)
    board = _board(options)
    clock_hz = _clock_hz(options, board)
    pipeline = _pipeline(options, clock_hz)
    top = check_identifier(options.name) if options.name is not None else None
    network, quantised, description = quantised_model(model, options)
    dsp = _dsp(options, board)
    progress(f"planning {sum(layer.macs for layer in quantised.layers):,} products a step")
    plan = _plan(quantised, options, board, dsp, pipeline)
    if options.weights == "external":
        widths = [layer.formats.product.weight_width for layer in quantised.layers]
        plan = plan.with_memory(_memory_port(options), widths)
    if board is not None:
        _check_memory(quantised, plan, board)
    progress(f"writing the circuit of {plan.multipliers} multipliers")
    return write_design(
        target,
        network,
        quantised,
        plan,
        top=top or network.name,
        clock_hz=clock_hz,
        board=board.name if board else None,
        dsp=dsp,
        loadable=options.loadable,
        state_access=options.state_access or network.caller_state,
        calibration=description,
    )


def quantised_model(model: Model, options: GenerateOptions) -> tuple[Network, QuantisedNetwork, str]:
    """The model as a float network and as integers, and what it was calibrated with.

    Raises:
        RnngenError: whatever is wrong with model, calibration input, widths or banks.
    """
    network = fold(load(model, options.imports))
    calibration, description = calibration_input(options, network)
    quantised = quantise(network, options.weight_bits, options.activation_bits, calibration)
    if options.banks is not None:
        _check_sparse(options, network)
        quantised = with_masks(quantised, fit_network(network, options.banks))
    return network, quantised, description


def _check_choice(options: GenerateOptions) -> None:
    given = [name for name in ("board", "multipliers", "dsps", "lanes") if getattr(options, name) is not None]
    if len(given) > 1:
        raise PlanError(f"Give only one of --board, --multipliers, --dsps and --lanes, not {' and '.join(given)}.")
    for name, value in (("multipliers", options.multipliers), ("dsps", options.dsps)):
        if value is not None and value < 1:
            raise PlanError(f"--{name} must be at least 1, not {value}.")
    if options.dsp is not None and options.dsp not in DSPS:
        raise PlanError(f"--dsp must be one of {', '.join(DSPS)}, not {options.dsp}.")
    if options.dsp is not None and given in ([], ["board"]):
        raise PlanError(
            f"A board has DSP blocks of its own, so --dsp must not be given beside one, but is {options.dsp}; give "
            f"--multipliers, --dsps or --lanes instead of a board."
        )
    if options.spaced and options.streams != 1:
        raise PlanError(
            f"Spaced mode computes one stream's h-part ahead, so with --spaced --streams must be 1, not "
            f"{options.streams}."
        )
    if options.fold and (options.streams != 1 or options.lanes is not None):
        other = "--lanes, which say the lanes of each layer" if options.lanes else f"{options.streams} streams"
        raise PlanError(f"Layers share one array (--fold) for a budget of one stream, not with {other}.")
    if options.max_steps < 1:
        raise PlanError(f"--max-steps must be at least 1, not {options.max_steps}.")
    _check_external(options, given in ([], ["board"]))
    if options.streams != 1 and given in ([], ["board"]):
        raise PlanError(
            f"A board's UART bridge carries one stream, so --streams must be 1, not {options.streams}; for more give "
            f"--multipliers, --dsps or --lanes instead of a board, and wire TID in your own design."
        )


def _check_sparse(options: GenerateOptions, network: Network) -> None:
    if options.weights == "external":
        raise PlanError("--weights external reads dense rows only; leave it or --banks away.")
    if options.state_access or network.caller_state:
        raise PlanError(
            "Sparse rows read h at places of their own, so no h can be given or read over the control port; leave "
            "--state (or the states of the model's forward) or --banks away."
        )


def _check_external(options: GenerateOptions, on_board: bool) -> None:
    if options.weights not in ("chip", "external"):
        raise PlanError(f"--weights must be chip or external, not {options.weights}.")
    if options.weights == "chip":
        return
    _memory_port(options)
    if on_board:
        raise PlanError(
            "No board's memory is wired to --weights external; give --multipliers, --dsps or --lanes instead of a "
            "board, and wire m_axi in your own design."
        )
    if options.fold:
        raise PlanError(
            "Layers that share one array (--fold) take turns in a frame, which --weights external cannot keep; leave "
            "one of the two away."
        )
    if options.loadable:
        raise PlanError(
            "--loadable writes weights into on-chip memories and --weights external has none; leave --loadable away "
            "and write other weights to the external memory."
        )


def _memory_port(options: GenerateOptions) -> MemoryPort:
    return MemoryPort(options.memory_bits, options.memory_latency, options.memory_burst)


def _board(options: GenerateOptions) -> Board | None:
    if options.multipliers is not None or options.dsps is not None or options.lanes is not None:
        return None
    return load_board(options.board or DEFAULT_BOARD)


def _clock_hz(options: GenerateOptions, board: Board | None) -> int:
    if options.clock_mhz is None:
        return board.clock_target_hz if board else DEFAULT_CLOCK_HZ
    if not 0.001 <= options.clock_mhz <= 10_000:
        raise PlanError(f"--clock must be within 0.001..10000 MHz, not {options.clock_mhz:g}.")
    clock_hz = round(1e6 * options.clock_mhz)
    if board is not None:
        pll_settings(board.clock_input_hz, clock_hz)
    return clock_hz


def _pipeline(options: GenerateOptions, clock_hz: int) -> Pipeline:
    """Of the depth that is asked for, or that the clock needs."""
    if options.pipeline is None:
        return pipeline_for(clock_hz)
    if options.pipeline not in PIPELINES:
        raise PlanError(f"--pipeline must be one of {', '.join(PIPELINES)}, not {options.pipeline}.")
    return PIPELINES[options.pipeline]


def _dsp(options: GenerateOptions, board: Board | None) -> Dsp | None:
    """The DSP block that products are put into, where it is known."""
    name = board.dsp if board is not None else options.dsp
    return DSPS[name] if name is not None else None


def calibration_input(options: GenerateOptions, network: Network) -> tuple[FloatArray | None, str]:
    """The calibration input, and what it is."""
    if options.calibrate is None:
        return None, "ranges proved from the weights, input in [-1, 1]"
    if isinstance(options.calibrate, str | Path):
        path = Path(options.calibrate)
        return read_array(path, network, "Calibration input"), options.calibration or path.name
    array = check_input(options.calibrate, network, "The calibration input")
    return array, options.calibration or f"array of shape {array.shape}"


def _plan(
    quantised: QuantisedNetwork, options: GenerateOptions, board: Board | None, dsp: Dsp | None, pipeline: Pipeline
) -> NetworkPlan:
    def plan_of(streams: int) -> NetworkPlan:
        return _planned(block_shapes(quantised, streams, options.spaced, dsp), options, board, pipeline)

    if options.streams != "auto":
        return plan_of(options.streams)
    if any(block.stored for block in quantised.blocks):
        return plan_of(1)  # stored sequences are one stream
    return plan_for_streams(plan_of)


def _planned(
    shapes: Sequence[BlockShape], options: GenerateOptions, board: Board | None, pipeline: Pipeline
) -> NetworkPlan:
    if options.lanes is not None:
        return plan_for_lanes(shapes, *options.lanes, pipeline, options.max_steps)
    may_fold = False if options.weights == "external" else options.fold
    return plan_with_folding(shapes, _budget(options, board), pipeline, options.max_steps, may_fold)


def _budget(options: GenerateOptions, board: Board | None) -> Budget:
    if options.multipliers is not None:
        return Budget(options.multipliers)
    if options.dsps is not None:
        return Budget(options.dsps, options.dsps)
    assert board is not None
    return Budget(board.budget.multipliers, board.budget.dsps)


def _check_memory(quantised: QuantisedNetwork, plan: NetworkPlan, board: Board) -> None:
    """Refuses a design whose memories exceed the device, saying which width would fit."""
    needed, have = total_memory_bits(quantised, plan), board.budget.block_ram_bits
    if needed <= have:
        return
    weights = sum(int(engine.words * engine.multipliers) for engine in plan.engines)
    fitting = (have - (needed - weights * quantised.weight_bits)) // weights
    advice = (
        f"--weight-bits {fitting} would fit"
        if fitting >= 2
        else "no weight width fits, so take a larger board or a smaller network, or --multipliers for no board"
    )
    raise PlanError(
        f"Board '{board.name}' is too small: the memories need {needed:,} bits and it has {have:,}; {advice}."
    )
