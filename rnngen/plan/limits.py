"""Which lanes and orders an engine may have, and what is said of others."""

from __future__ import annotations

from itertools import pairwise

from rnngen.errors import PlanError
from rnngen.plan.lanes import EngineLanes, is_aligned
from rnngen.plan.layer import BankedShape, turn_choices
from rnngen.plan.timing import PARTIAL_GAP


def check_limits(plan: EngineLanes) -> None:
    """Refuses lanes, turns and passes that no circuit is made of.

    Raises:
        PlanError: naming the layer, what is wrong, and what would be right.
    """
    _check_lanes(plan)
    if plan.shape.banked:
        _check_banked(plan, plan.shape.banked)
    if plan.shape.shares > 1:
        _check_shared_rows(plan)
    if plan.shape.apart:
        _check_apart(plan)
    _check_ways(plan)
    _check_order(plan)


def _check_lanes(plan: EngineLanes) -> None:
    shape = plan.shape
    if plan.turns not in turn_choices(shape):
        at_once = " or ".join(str(shape.gates // turns) for turns in turn_choices(shape))
        raise PlanError(
            f"Layer '{shape.name}': {at_once} of its {shape.gates} gates can be multiplied at once, not "
            f"those of {plan.turns} turns."
        )
    limit = shape.inputs + shape.hidden if plan.x_lanes else max(shape.inputs, shape.hidden)
    for label, value, largest in (
        ("row", plan.rows, shape.units),
        ("column", plan.columns, limit),
        ("element-wise", plan.elements, plan.rows),
    ):
        if not 1 <= value <= largest:
            raise PlanError(f"Layer '{shape.name}': {label} lanes must be within 1..{largest}, not {value}.")


def _check_ways(plan: EngineLanes) -> None:
    """Whether x and h can be multiplied as they are meant to be."""
    shape = plan.shape
    if shape.spaced and not _may_be_spaced(plan):
        raise PlanError(
            f"Layer '{shape.name}': its h-part cannot be computed before x comes; it needs a whole x and an h "
            f"of its own, of one stream, in no other order of passes."
        )
    if plan.x_lanes and not _may_be_side_by_side(plan):
        raise PlanError(
            f"Layer '{shape.name}': x and h cannot be multiplied side by side in {plan.x_lanes} and "
            f"{plan.columns - plan.x_lanes} columns, but one behind the other."
        )
    for what, offset in (("x", shape.x_offset), ("h", shape.h_offset)):
        if offset % plan.columns:
            raise PlanError(
                f"Layer '{shape.name}': column lanes must divide the slice of {what} that begins at {offset}, "
                f"not be {plan.columns}."
            )


def _check_order(plan: EngineLanes) -> None:
    """Whether passes and groups have the time that they take."""
    if plan.passes and not are_legal(plan, plan.passes):
        raise PlanError(
            f"Layer '{plan.shape.name}': passes of {plan.passes} words must make up a sweep of {plan.sweep} "
            f"words, each with time for {plan.groups} groups of units."
        )
    if plan.elements < plan.fewest_elements:
        raise PlanError(
            f"Layer '{plan.shape.name}': with its gates in turn, element-wise lanes must be at least "
            f"{plan.fewest_elements}, so that a tile's groups take no longer than its {plan.h_words} words of h, "
            f"not {plan.elements}."
        )


def _check_banked(plan: EngineLanes, banked: BankedShape) -> None:
    if plan.columns != banked.banks or plan.x_lanes:
        raise PlanError(
            f"Layer '{plan.shape.name}': its rows are balanced over {banked.banks} banks, so its column lanes must "
            f"be {banked.banks}, not {plan.columns}."
        )
    if not banked.allows(plan.rows):
        raise PlanError(
            f"Layer '{plan.shape.name}': {banked.shared_rows} rows share their places, so its row lanes must be a "
            f"multiple or a divisor of that, not {plan.rows}."
        )
    plain = plan.shape.alone and not (plan.shape.x_offset or plan.shape.h_offset or plan.shape.pair_width)
    if not plain or plan.shared:
        raise PlanError(
            f"Layer '{plan.shape.name}': rows of a projected, factorised or grouped layer, or of one on a shared "
            f"array, cannot be sparse; take a layer and an array of its own."
        )


def _check_shared_rows(plan: EngineLanes) -> None:
    """A word of h is of one device only, and every word of h is read behind those of x."""
    shape = plan.shape
    plain = not (shape.x_offset or shape.h_offset or shape.symbols or shape.banked or shape.spaced)
    if not plain or shape.streams > 1 or plan.x_lanes or plan.shared:
        raise PlanError(
            f"Layer '{shape.name}': its rows cannot be cut over {shape.shares} devices; that takes a dense layer "
            f"of one stream and an array of its own, which multiplies x before h."
        )
    if plan.device_h % plan.columns:
        raise PlanError(
            f"Layer '{shape.name}': column lanes must divide the {plan.device_h} units of a device, not be "
            f"{plan.columns}."
        )


def _check_apart(plan: EngineLanes) -> None:
    """The sums of x come in the order of units, and a group's are read at once."""
    shape = plan.shape
    plain = shape.alone and shape.hidden > 0 and not (shape.inputs or shape.symbols or shape.banked or shape.spaced)
    if not plain or shape.h_offset or shape.shares > 1 or shape.streams > 1 or plan.shared:
        raise PlanError(
            f"Layer '{shape.name}': its x cannot be multiplied apart; that takes a dense recurrent layer of one "
            f"stage, one stream and one device, and an array of its own."
        )
    if not is_aligned(plan):
        raise PlanError(
            f"Layer '{shape.name}': its x is multiplied apart, so that element-wise lanes must divide its "
            f"{plan.rows} row lanes, not be {plan.elements}."
        )


def _may_be_side_by_side(plan: EngineLanes) -> bool:
    """A GRU keeps two sums of gate n apart; slices, symbols and passes are only read one behind the other."""
    shape = plan.shape
    apart = shape.kind != "gru" and shape.alone and not (shape.symbols or shape.x_offset or shape.h_offset)
    apart = apart and shape.shares == 1
    x_fits, h_fits = 1 <= plan.x_columns <= shape.inputs, 1 <= plan.h_columns <= shape.hidden
    return apart and x_fits and h_fits and not plan.passes


def _may_be_spaced(plan: EngineLanes) -> bool:
    shape = plan.shape
    own = shape.alone and shape.inputs > 0 and shape.hidden > 0 and not (shape.x_offset or shape.h_offset)
    return own and not shape.symbols and shape.streams == 1 and not (plan.passes or plan.x_lanes)


def are_legal(plan: EngineLanes, passes: tuple[int, ...]) -> bool:
    """Whether a sweep can be cut like that.

    A tile's groups leave the array before the next tile ends, and a sum is written before it is read back.
    """
    if plan.shape.spaced or sum(passes) != plan.sweep or len(set(passes[2:])) > 1 or min(passes) < plan.groups:
        return False
    if plan.shape.symbols or plan.shape.apart or plan.halved:
        return False  # nothing of x is multiplied
    if plan.shape.kind == "gru" and passes != (plan.x_words, plan.h_words):
        return False  # a GRU keeps the x-part of gate n apart from its h-part
    # From a sweep's end in one pass to its end in the next: least for the first or the last one.
    ends = ((plan.sweeps * before - before + after, plan.sweeps * after) for before, after in pairwise(passes[:4]))
    return plan.sweeps > 1 and min((min(pair) for pair in ends), default=0) >= PARTIAL_GAP
