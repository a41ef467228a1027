"""Model and system to a design folder for each device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rnngen.config.board import Board, board_entry, load_board
from rnngen.config.system import System
from rnngen.config.system_file import read_system_file
from rnngen.emit import system as emit
from rnngen.emit.chips import chip_descriptions, chip_files, cores_of
from rnngen.emit.design import Design, write_design
from rnngen.emit.devices import device_descriptions, device_name, device_shapes
from rnngen.emit.folder import check_target
from rnngen.emit.system import Choice, SystemDesign, write_system
from rnngen.errors import PlanError
from rnngen.flow.generate import GenerateOptions, quantised_model
from rnngen.flow.resources import Count, DoesNotFit, count_files, why_not
from rnngen.frontend import ImportOptions, Model
from rnngen.frontend.identifier import check_identifier
from rnngen.frontend.options import DEFAULT_IMPORT
from rnngen.gateware.board_clock import clock_source
from rnngen.gateware.system.device import device_verilog
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.apart import cut_apart
from rnngen.passes.cut import Part, cut, shares_of
from rnngen.passes.prune_layers import FitOptions
from rnngen.plan.partition import (
    GOALS,
    ApartParts,
    Loser,
    Partition,
    PartPlan,
    Parts,
    SearchResult,
    best_apart,
    best_cores,
    best_partition,
    best_with,
    better_apart,
    better_cores,
    groups_of,
    inner_cuts,
    member_plan,
)
from rnngen.plan.partition.cuts import CORES, GENERATED, INPUTS, SHARED, X_AND_H
from rnngen.plan.partition.parts import Progress
from rnngen.plan.search import DEFAULT_CAPACITY


@dataclass(frozen=True)
class PartitionOptions:
    """Choices of a system of designs; those that are called as in ``GenerateOptions`` mean the same, for every device.

    Attributes:
        goal: ``"interval"``: the shortest step interval, then the least latency; ``"latency"``: the other way round.
        cut: ``"auto"``: whichever is better; ``"layers"``: whole layers on devices; ``"cores"``: the same, and a device
            with two cores computes layers that are no neighbours; ``"rows"``, ``"outputs"``, ``"inputs"`` or
            ``"groups"``: layers over several devices each, in this way; ``"x/h"``: a layer's x on one device and its h
            on the next one (``plan.partition.cuts``).
        delta: Devices that share a layer by its rows (``cut`` must be ``"rows"``) give each other only those words of h
            that changed by more than this since they were given last; with 0 nothing else changes.  None: all words.
        count: Whether LUTs, registers, DSP blocks and block RAMs of each device on a board are counted, its links
            among them, which takes some seconds each; one that does not fit is refused then.
        name: Of the network; a device's top module is NAME_DEVICE.
    """

    imports: ImportOptions = DEFAULT_IMPORT
    calibrate: npt.ArrayLike | Path | str | None = None
    calibration: str = ""
    weight_bits: int = 8
    activation_bits: int = 16
    banks: FitOptions | None = None
    loadable: bool = False
    double_buffer: bool = False
    state_access: bool = False
    fold: bool | None = None
    max_steps: int = DEFAULT_CAPACITY
    name: str | None = None
    goal: str = "interval"
    cut: str = "auto"
    delta: float | None = None
    count: bool = True


CUTS = ("auto", "layers", CORES, *sorted(GENERATED))

DEFAULT_PARTITION = PartitionOptions()


def partition(
    model: Model,
    system: System | Path | str,
    folder: Path | str,
    options: PartitionOptions = DEFAULT_PARTITION,
    progress: Progress | None = None,
) -> SystemDesign:
    """Cuts a model over the devices of a system, and generates a design for each device in use.

    The network is quantised once and whole, so that the devices together compute what one device would, in every bit.

    Args:
        system: Or the TOML file that describes it.
        progress: Told in a line what is being planned or written.

    Raises:
        RnngenError: whatever is wrong with model, system, options, calibration input, budgets or folder; nothing is
            written then.
    """
    target = Path(folder)
    check_target(target)
    described = system if isinstance(system, System) else read_system_file(Path(system))
    _check(described, options)
    network, quantised, calibration = quantised_model(model, _generate_options(options))
    delta = None if options.delta is None else Fraction(options.delta)
    parts = Parts(quantised, described, options.max_steps, options.fold, progress, delta)
    found = _best(parts, options, network.caller_state)
    return _written(target, network, parts, found, options, calibration, progress)


def read_system(folder: Path | str) -> SystemDesign:
    """Reads back what ``partition`` wrote.

    Raises:
        DesignError: if a file is missing, changed or damaged.
    """
    return emit.read_system(Path(folder))


def _best(parts: Parts, options: PartitionOptions, state: bool) -> SearchResult:
    """Whole layers on devices, or some over several where that is better."""
    if options.cut == "layers":
        return best_partition(parts, options.goal)
    whole: SearchResult | PlanError
    try:
        whole = best_partition(parts, options.goal)
    except PlanError as error:
        whole = error
    beaten = whole.best if isinstance(whole, SearchResult) and options.cut == "auto" else None
    given = state or options.state_access
    found = "states are given to whole layers" if given else _best_inside(parts, options, beaten)
    if isinstance(found, str) and options.cut != "auto":
        what = "No device can have two cores" if options.cut == CORES else f"No layer can be cut by {options.cut}"
        raise PlanError(f"{what}: {found}.")
    if isinstance(whole, PlanError):
        if isinstance(found, str):
            raise whole
        return SearchResult(found, (Loser(1, str(whole)),))
    return whole if isinstance(found, str) else replace(whole, best=found, others=(whole.best,))


def _best_inside(parts: Parts, options: PartitionOptions, beaten: Partition | None) -> Partition | str:
    """The best cut inside layers of the kinds that are asked for, or why there is none.

    Args:
        beaten: A cut that it must be better than.
    """
    if options.loadable and options.cut in (X_AND_H, INPUTS):
        return "sums that cross links have as many bits as these weights need, so that no others can be loaded"
    if options.cut == X_AND_H:
        return best_apart(parts, options.goal)
    if options.cut == CORES:
        return best_cores(parts, options.goal)
    best = _best_shared(parts, options, beaten)
    if options.cut != "auto":
        return best
    if not options.loadable:
        best = better_apart(parts, options.goal, beaten if isinstance(best, str) else best) or best
    return better_cores(parts, options.goal, beaten if isinstance(best, str) else best) or best


def _best_shared(parts: Parts, options: PartitionOptions, beaten: Partition | None) -> Partition | str:
    """The best cut with layers over several devices each, or why there is none.

    Args:
        beaten: A cut that it must be better than.
    """
    best, refused = beaten, "there is one device"
    kinds = SHARED if options.cut == "auto" else {options.cut}
    for group in groups_of(parts, kinds - {INPUTS} if options.loadable else kinds):
        if isinstance(group, str):
            refused = group
            continue
        if best is not None and options.goal == "interval" and group.least_ticks > best.interval_ticks:
            continue
        found = best_with(group, group.names, options.goal)
        if isinstance(found, str):
            refused = found
        elif best is None or found.key(options.goal) < best.key(options.goal):
            best = group.settled(found)
    return refused if best is None or best is beaten else best


def _check(system: System, options: PartitionOptions) -> None:
    if options.goal not in GOALS:
        raise PlanError(f"--goal must be {' or '.join(GOALS)}, not {options.goal}.")
    if options.cut not in CUTS:
        raise PlanError(f"--cut must be {', '.join(CUTS[:-1])} or {CUTS[-1]}, not {options.cut}.")
    if options.delta is not None and options.cut != "rows":
        raise PlanError(f"--delta is for layers by their rows: give --cut rows, too, not {options.cut}.")
    if options.delta is not None and not 0 <= options.delta < inf:
        raise PlanError(f"--delta must be at least 0, not {options.delta}.")
    if options.double_buffer:
        raise PlanError(
            "--double-buffer changes the weights of one device between two of its sequences, and the devices of a "
            "system are not between them at the same time; give --loadable, and load while all of them are stopped."
        )
    if options.max_steps < 1:
        raise PlanError(f"--max-steps must be at least 1, not {options.max_steps}.")
    for device in system.devices:
        if device.board is not None:
            board = load_board(device.board)
            if device.clock_hz != board.clock_target_hz:
                clock_source(board, device.clock_hz)


def _generate_options(options: PartitionOptions) -> GenerateOptions:
    return GenerateOptions(
        imports=options.imports,
        calibrate=options.calibrate,
        calibration=options.calibration,
        weight_bits=options.weight_bits,
        activation_bits=options.activation_bits,
        banks=options.banks,
        state_access=options.state_access,
    )


def _written(
    target: Path,
    network: Network,
    parts: Parts,
    found: SearchResult,
    options: PartitionOptions,
    calibration: str,
    progress: Progress | None,
) -> SystemDesign:
    best = found.best
    own = "net" if network.name == "rnn" else network.name  # modules of leaves begin with rnn_
    name = check_identifier(options.name) if options.name is not None else own
    tops = [check_identifier(f"{name}_{device}") for device in best.names]
    others = found.others
    if best.apart:
        parts = halves = ApartParts(parts, best.apart)
        others = tuple(halves.counted(other) if isinstance(other, Partition) else other for other in others)
    elif best.whole is not parts.whole:  # a device has a second core
        parts = Parts(parts.network, best.whole, parts.capacity, parts.fold, progress)
    pieces = _pieces(network, parts.network, best, name)
    piece_of = dict(zip(best.names, pieces))
    shapes = device_shapes(best, [piece.quantised for piece in pieces], tops)
    names = map(device_name, tops)
    around = {top: {f"{name}.v": device_verilog(shape, name)} for top, name, shape in zip(tops, names, shapes)}
    described = dict(zip(tops, chip_descriptions(best, shapes, device_descriptions(best, shapes))))
    chips = cores_of(best)
    within = {core for cores in chips.values() for core in cores[1:]}  # their device's folder has them, too
    multipliers = _multipliers(best)

    def write(folder: Path, part: PartPlan, device: str) -> Design:
        if progress is not None:
            progress(f"writing the design of device '{device}'")
        piece = piece_of[device]
        plan = member_plan(part.plan, part.names.index(device))
        own = replace(part, device=best.whole.device(device), plan=plan)
        top = piece.network.name
        files = around[top] | (chip_files(best, shapes, tops, device, folder.parent) if device in chips else {})
        counted = options.count and device not in within
        board = best.whole.device(best.whole.chip(device)).board if counted else None
        number = sum(multipliers[core] for core in chips.get(device, (device,)))
        count = _counting(load_board(board) if board else None, device, number, progress)
        return _write_part(folder, piece, own, parts, options, calibration, files, described[top], count)

    inner = tuple(inner_cuts(parts, best))
    choice = Choice(name, options.goal, best, others, inner, found.weighed_all, parts.delta)
    return write_system(target, choice, write, chips)


def _multipliers(best: Partition) -> dict[str, int]:
    """Of the plan of each device, or core of one, in use."""
    pairs = ((part, number) for part in best.parts for number in range(len(part.names)))
    return {part.names[number]: member_plan(part.plan, number).multipliers for part, number in pairs}


_Counting = Callable[[Mapping[str, bytes], dict[str, Any]], dict[str, Any] | None]


def _counting(board: Board | None, device: str, multipliers: int, progress: Progress | None) -> _Counting:
    """What counts a device with all of its cores and links, and refuses one that its board has no room for."""

    def say(line: str) -> None:
        if progress is not None:
            progress(f"device '{device}': {line}")

    def count(rtl: Mapping[str, bytes], document: dict[str, Any]) -> dict[str, Any] | None:
        if board is None:
            return None
        if reason := why_not(board):
            say(f"LUTs and registers are not counted: {reason}")
            return None
        counted = count_files(rtl, document, board, say)
        _check_fit(counted, board, device, multipliers)
        return counted.to_dict()

    return count


def _check_fit(counted: Count, board: Board, device: str, multipliers: int) -> None:
    """Refuses a device that its board has no room for.

    Raises:
        DoesNotFit: with about how many multipliers would fit.
    """
    if counted.fits:
        return
    share = counted.share(counted.scarcest)
    fewer = int(multipliers / share)
    advice = f"give it fewer multipliers in the system file, about {fewer}" if fewer else "give it a larger board"
    raise DoesNotFit(
        f"Device '{device}' of {multipliers} multipliers is too large for its board '{board.name}': "
        f"{counted.reason()}; {advice}, or fewer bits.",
        share,
    )


def _pieces(network: Network, quantised: QuantisedNetwork, best: Partition, name: str) -> list[Part]:
    """What each device computes."""
    tops = [[f"{name}_{device}" for device in part.names] for part in best.parts]
    cutting = cut_apart if best.apart else cut
    whole = cutting(network, quantised, [part.blocks for part in best.parts], [names[0] for names in tops])
    cuts = zip(best.parts, whole, tops)
    return [piece for plan, part, names in cuts for piece in shares_of(part, names, plan.order, plan.joins)]


def _write_part(
    folder: Path, piece: Part, part: PartPlan, parts: Parts, options: PartitionOptions, calibration: str,
    around: Mapping[str, str], device: Mapping[str, Any], count: _Counting,
) -> Design:  # fmt: skip
    return write_design(
        folder,
        piece.network,
        piece.quantised,
        part.plan,
        top=piece.network.name,
        clock_hz=part.device.clock_hz,
        board=board_entry(load_board(part.device.board)) if part.device.board else None,
        dsp=parts.dsp(part.device),
        loadable=options.loadable,
        state_access=options.state_access or piece.network.caller_state,
        calibration=calibration,
        images=f"{piece.network.name}_",
        around=around,
        device=device,
        count=count,
    )
