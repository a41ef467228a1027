"""Model to design folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from rnngen.arith.format import FloatArray
from rnngen.config.board import Board, board_entry, load_board
from rnngen.emit.design import Design, write_design
from rnngen.emit.folder import check_target
from rnngen.errors import PlanError
from rnngen.flow.arrays import read_array
from rnngen.flow.resources import FEWER, Circuits, DoesNotFit, check_fit, count_files, why_not
from rnngen.frontend import ImportOptions, Model, load
from rnngen.frontend.identifier import check_identifier
from rnngen.frontend.options import DEFAULT_IMPORT
from rnngen.gateware.board_clock import clock_source
from rnngen.gateware.uart.baud import clocks_per_bit
from rnngen.ir.inputs import check_input
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.banked import fit_network, with_masks
from rnngen.passes.fold import fold
from rnngen.passes.prune_layers import FitOptions
from rnngen.passes.quantise import quantise
from rnngen.plan.dsp import COMMON_WIDTH, DSPS, ELEMENT_BITS, Dsp
from rnngen.plan.external import MemoryPort
from rnngen.plan.memory import (
    SINGLE_PORT_BANKS,
    SINGLE_PORT_WORDS,
    engine_bits,
    single_port_rams,
    total_memory_bits,
)
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import DEFAULT_CAPACITY, Budget, plan_for_lanes, plan_for_streams, plan_with_folding
from rnngen.plan.shapes import BlockShape, block_shapes
from rnngen.plan.timing import PIPELINES, Pipeline, pipeline_for

DEFAULT_BOARD = "ulx3s-85f"
DEFAULT_CLOCK_HZ = 100_000_000
"""Clock a design without a board is described for."""


@dataclass(frozen=True)
class GenerateOptions:
    """Choices of a design; at most one of ``board``, ``multipliers``, ``lanes`` and ``dsps``, or the first two.

    Attributes:
        imports: What the model itself does not say.
        calibrate: Real input, an array (sequences, steps, features) or a .npy file; None proves ranges.
        calibration: What that input is, for the report.
        board: Name or file of a board; its device is the budget.  With neither budget nor lanes: ``DEFAULT_BOARD``.
        multipliers: Budget of products a cycle; beside a board at most its own.
        dsps: Budget of DSP blocks, element-wise paths included.
        dsp: A key of ``rnngen.plan.dsp.DSPS``: the device's DSP block, which may give two products; a board knows its.
        lanes: (gates, rows, columns) of every recurrent layer.
        weight_bits: 2..18.  activation_bits: 4..18.
        banks: The model is sparse, and its zeros are not multiplied: how they lie in banks; None: all are multiplied.
        loadable: Weights and biases can be written over the control port at run time, besides being initialised.
        double_buffer: So they can while it computes: each of their memories holds two images, and the other one is used
            from between two sequences on.
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
        weights: ``"chip"``; ``"spram"``: in the device's single-port RAM, which the control port has to fill before the
            first step, so ``loadable`` is implied; or ``"external"``: read from external memory over AXI4.
        memory_bits, memory_latency, memory_burst: Of that memory's port, as in ``rnngen.plan.external.MemoryPort``.
        max_steps: Steps of the longest sequence, where sequences are stored (backward layers).
        count: Whether LUTs and registers of a design for a board are counted, which takes some seconds; one that does
            not fit is refused then, or gets fewer multipliers where none were asked for.
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
    double_buffer: bool = False
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
    count: bool = True
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
    check_target(Path(folder))
    _check_choice(options)
    _target(options)
    return generate_quantised(quantised_model(model, options), folder, options, progress)


@dataclass(frozen=True)
class Known:
    """What was worked out before in the same run: devices that are alike have one plan, and a circuit one count."""

    plans: dict[object, NetworkPlan] = field(default_factory=dict)
    circuits: Circuits = field(default_factory=Circuits)


def generate_quantised(
    model: QuantisedModel,
    folder: Path | str,
    options: GenerateOptions,
    progress: Callable[[str], None] = lambda line: None,
    known: Known | None = None,
) -> Design:
    """``generate`` of a model that was quantised before, with what else was worked out before.

    Raises:
        RnngenError: whatever is wrong with options, budget or folder; nothing is written then.
    """
    network, quantised, description = model
    target, run = _target(options), known or Known()
    board = target.board
    progress(f"planning {sum(layer.macs for layer in quantised.layers):,} products a step")

    def attempt(budget: GenerateOptions, advice: str, into: Path) -> Design:
        plan = _known_plan(quantised, budget, target, run)
        _check_memory(quantised, plan, board, options)
        progress(f"writing the circuit of {plan.multipliers} multipliers")
        return write_design(
            into,
            network,
            quantised,
            plan,
            top=target.top or network.name,
            clock_hz=target.clock_hz,
            board=board_entry(board) if board else None,
            dsp=target.dsp,
            loadable=options.loadable or options.double_buffer or options.weights == "spram",
            double_buffer=options.double_buffer,
            state_access=options.state_access or network.caller_state,
            single_port=options.weights == "spram",
            calibration=description,
            count=_counting(board if options.count else None, progress, run.circuits, advice),
        )

    def planned(budget: GenerateOptions) -> int:
        return _known_plan(quantised, budget, target, run).multipliers

    return _most_that_fits(attempt, planned, options, Path(folder), progress)


def _most_that_fits(
    attempt: Callable[[GenerateOptions, str, Path], Design],
    planned: Callable[[GenerateOptions], int],
    options: GenerateOptions,
    folder: Path,
    progress: Callable[[str], None],
) -> Design:
    """A design of the most multipliers that fit, or of those that are asked for.

    What a design needs grows with its multipliers, but not in proportion, so that the next number is above what fits,
    or is it.  Where even a line through the last two says that none fits, one multiplier is tried at once.

    Args:
        attempt: Writes a design into a folder, with advice for the case that it does not fit.
        planned: Multipliers of the plan of a budget.

    Raises:
        DoesNotFit: if none does.
    """
    budget, before, tried_one = options, (0, 0.0), False
    while True:
        number = planned(budget)
        asked = options.multipliers is not None
        try:
            return attempt(budget, FEWER if asked and number > 1 else _LARGER, folder)
        except DoesNotFit as error:
            if asked or number == 1:
                raise
            fewer = max(1, min(int(number / error.share), number - 1))
            if not tried_one and before[0] and _at_one(before, (number, error.share)) > 1:
                tried_one = True
                with tempfile.TemporaryDirectory(prefix=".rnngen-fit-") as aside:  # what fits may be larger
                    attempt(replace(budget, multipliers=1), _LARGER, Path(aside) / "design")
            before = number, error.share
            progress(f"{str(error).partition(';')[0]}: trying {fewer} multipliers")
            budget = replace(budget, multipliers=fewer)


_LARGER = "one multiplier is the least, so use fewer bits, a smaller network or a larger board"
"""What helps where fewer multipliers do not."""


def _at_one(more: tuple[int, float], fewer: tuple[int, float]) -> float:
    """The share of a resource that one multiplier takes, on a line through those of two numbers of multipliers."""
    slope = (more[1] - fewer[1]) / (more[0] - fewer[0])
    return fewer[1] - slope * (fewer[0] - 1)


def _counting(
    board: Board | None, progress: Callable[[str], None], circuits: Circuits, advice: str
) -> Callable[[Mapping[str, bytes], dict[str, Any]], dict[str, Any] | None]:
    """What counts a design's LUTs and registers, and refuses one that its board has no room for."""

    def count(rtl: Mapping[str, bytes], document: dict[str, Any]) -> dict[str, Any] | None:
        if board is None:
            return None
        if reason := why_not(board):
            progress(f"LUTs and registers are not counted: {reason}")
            return None
        counted = count_files(rtl, document, board, progress, circuits)
        check_fit(counted, board, advice)
        return counted.to_dict()

    return count


def plan_for_board(
    quantised: QuantisedNetwork, options: GenerateOptions, known: Known | None = None
) -> tuple[NetworkPlan, int]:
    """The plan of a network on the board that is named, and its clock in Hz; nothing is counted.

    Raises:
        PlanError: if there is none within the board's budget.
    """
    target = _target(options)
    plan = _known_plan(quantised, options, target, known or Known())
    _check_memory(quantised, plan, target.board, options)
    return plan, target.clock_hz


QuantisedModel = tuple[Network, QuantisedNetwork, str]
"""A model as a float network and as integers, and what it was calibrated with."""


def quantised_model(model: Model, options: GenerateOptions) -> QuantisedModel:
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


@dataclass(frozen=True)
class _Target:
    """What options say of the device, and the name of the top module where they give one."""

    board: Board | None
    clock_hz: int
    pipeline: Pipeline
    dsp: Dsp | None
    top: str | None


def _target(options: GenerateOptions) -> _Target:
    board = _board(options)
    clock_hz = _clock_hz(options, board)
    top = check_identifier(options.name) if options.name is not None else None
    return _Target(board, clock_hz, _pipeline(options, clock_hz), _dsp(options, board), top)


def _check_choice(options: GenerateOptions) -> None:
    given = [name for name in ("board", "multipliers", "dsps", "lanes") if getattr(options, name) is not None]
    if len(given) > 1 and given != ["board", "multipliers"]:
        raise PlanError(f"Give only one of --board, --multipliers, --dsps and --lanes, not {' and '.join(given)}.")
    on_board = not given or given[0] == "board"
    for name, value in (("multipliers", options.multipliers), ("dsps", options.dsps)):
        if value is not None and value < 1:
            raise PlanError(f"--{name} must be at least 1, not {value}.")
    if options.dsp is not None and options.dsp not in DSPS:
        raise PlanError(f"--dsp must be one of {', '.join(DSPS)}, not {options.dsp}.")
    if options.dsp is not None and on_board:
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
    _check_external(options, on_board)
    if options.streams != 1 and on_board:
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
    if options.weights not in ("chip", "spram", "external"):
        raise PlanError(f"--weights must be chip, spram or external, not {options.weights}.")
    if options.weights != "external":
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
    if options.loadable or options.double_buffer:
        flag = "--double-buffer" if options.double_buffer else "--loadable"
        raise PlanError(
            f"{flag} writes weights into on-chip memories and --weights external has none; leave {flag} away "
            f"and write other weights to the external memory."
        )


def _memory_port(options: GenerateOptions) -> MemoryPort:
    return MemoryPort(options.memory_bits, options.memory_latency, options.memory_burst)


def _board(options: GenerateOptions) -> Board | None:
    if options.board is None and (options.multipliers or options.dsps or options.lanes):
        return None
    board = load_board(options.board or DEFAULT_BOARD)
    most = board.budget.multipliers
    if options.multipliers is not None and options.multipliers > most:
        raise PlanError(
            f"--multipliers must be at most the {most} of board '{board.name}', not {options.multipliers}; a plan for "
            f"more needs no --board."
        )
    return board


def _clock_hz(options: GenerateOptions, board: Board | None) -> int:
    if options.clock_mhz is None:
        return board.clock_target_hz if board else DEFAULT_CLOCK_HZ
    if not 0.001 <= options.clock_mhz <= 10_000:
        raise PlanError(f"--clock must be within 0.001..10000 MHz, not {options.clock_mhz:g}.")
    clock_hz = round(1e6 * options.clock_mhz)
    if board is not None:
        clock_source(board, clock_hz)
        if board.host.kind == "uart":
            clocks_per_bit(clock_hz, board.uart_baud)
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
    if name is None:
        return None
    if name not in DSPS:  # --dsp has been looked at
        where = board.file.name if board is not None else ""
        raise PlanError(f"Board file '{where}': [device] needs one of {', '.join(DSPS)} for 'dsp', not '{name}'.")
    return DSPS[name]


def calibration_input(options: GenerateOptions, network: Network) -> tuple[FloatArray | None, str]:
    """The calibration input, and what it is."""
    if options.calibrate is None:
        return None, "ranges proved from the weights, input in [-1, 1]"
    if isinstance(options.calibrate, str | Path):
        path = Path(options.calibrate)
        return read_array(path, network, "Calibration input"), options.calibration or path.name
    array = check_input(options.calibrate, network, "The calibration input")
    return array, options.calibration or f"array of shape {array.shape}"


def _known_plan(
    quantised: QuantisedNetwork, options: GenerateOptions, target: _Target, known: Known
) -> NetworkPlan:
    """The plan, with its port to external weights where there is one; from what is known, if it is."""
    budget = target.board.budget if target.board else None
    alike = (options.multipliers, budget, target.dsp, target.pipeline)
    if alike not in known.plans:
        plan = _plan(quantised, options, target.board, target.dsp, target.pipeline)
        if options.weights == "external":
            widths = [layer.formats.product.weight_width for layer in quantised.layers]
            plan = plan.with_memory(_memory_port(options), widths)
        known.plans[alike] = plan
    return known.plans[alike]


def _plan(
    quantised: QuantisedNetwork, options: GenerateOptions, board: Board | None, dsp: Dsp | None, pipeline: Pipeline
) -> NetworkPlan:
    _check_dsp(quantised, dsp)

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
    if board is not None:
        return Budget(options.multipliers or board.budget.multipliers, board.budget.dsps)
    if options.multipliers is not None:
        return Budget(options.multipliers)
    assert options.dsps is not None
    return Budget(options.dsps, options.dsps)


def _check_dsp(quantised: QuantisedNetwork, dsp: Dsp | None) -> None:
    """Refuses products that a small DSP block does not hold, so that each takes one, as the plan counts them."""
    if dsp is None or dsp.narrow >= COMMON_WIDTH:
        return
    elements = quantised.activation_bits + ELEMENT_BITS
    widest = max(elements, *(layer.formats.product.operand_width for layer in quantised.layers))
    if widest > dsp.narrow:
        raise PlanError(
            f"A DSP block of {dsp.name} multiplies {dsp.wide} x {dsp.narrow} bits, and --activation-bits "
            f"{quantised.activation_bits} makes operands of up to {widest}: give fewer, at most "
            f"{dsp.narrow - ELEMENT_BITS}; 8 keep the tables small, too."
        )


def _check_single_port(quantised: QuantisedNetwork, plan: NetworkPlan, board: Board | None) -> None:
    """Refuses weights that the single-port RAM has no room for."""
    needed = sum(single_port_rams(layer, engine) for layer, engine in zip(quantised.layers, plan.engines))
    if board is not None and needed > board.budget.single_port_rams:
        have = board.budget.single_port_rams
        raise PlanError(
            f"--weights spram takes {needed} blocks of single-port RAM (each 16,384 words of 16 bits) and board "
            f"'{board.name}' has {have or 'none'}: " + ("use fewer multipliers." if have else "leave it away.")
        )
    for layer, engine in zip(quantised.layers, plan.engines):
        if engine.words > SINGLE_PORT_WORDS * SINGLE_PORT_BANKS:
            raise PlanError(
                f"Layer '{layer.name}' has {engine.words:,} words of weights and single-port RAM at most "
                f"{SINGLE_PORT_WORDS * SINGLE_PORT_BANKS:,}: use more multipliers."
            )


def _check_memory(
    quantised: QuantisedNetwork, plan: NetworkPlan, board: Board | None, options: GenerateOptions
) -> None:
    """Refuses a design whose memories exceed the device, saying which width would fit."""
    single_port = options.weights == "spram"
    if single_port:
        if options.double_buffer:
            raise PlanError("--weights spram has room for one image of the weights: leave out --double-buffer.")
        _check_single_port(quantised, plan, board)
    if board is None:
        return
    images = 2 if options.double_buffer else 1
    needed, have = total_memory_bits(quantised, plan, images), board.budget.block_ram_bits
    weights = images * sum(int(engine.words * engine.multipliers) for engine in plan.engines)
    if single_port:
        needed -= sum(bits["weights"] for bits in engine_bits(quantised, plan))
    if needed <= have:
        return
    if single_port:
        raise PlanError(
            f"Board '{board.name}' is too small: the memories beside the weights need {needed:,} bits and it has "
            f"{have:,}; use fewer --activation-bits or a smaller network."
        )
    if board.budget.single_port_rams:
        raise PlanError(
            f"Board '{board.name}' is too small: the memories need {needed:,} bits and its block RAM has {have:,}; "
            f"--weights spram puts the weights into its single-port RAM."
        )
    fitting = (have - (needed - weights * quantised.weight_bits)) // weights
    once = total_memory_bits(quantised, plan)
    advice = (
        f"without --double-buffer, which holds all weights twice, they need {once:,}"
        if images == 2 and once <= have
        else f"--weight-bits {fitting} would fit"
        if fitting >= 2
        else "no weight width fits, so take a larger board or a smaller network, or --multipliers for no board"
    )
    raise PlanError(
        f"Board '{board.name}' is too small: the memories need {needed:,} bits and it has {have:,}; {advice}."
    )
