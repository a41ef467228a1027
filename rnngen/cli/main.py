"""Commands: each calls one step of ``rnngen.flow`` and prints what came of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rnngen.build import find_tools
from rnngen.cli import boards, check, completion, count, factorize, partition, prune, serve, system
from rnngen.cli.arguments import make_parser
from rnngen.cli.progress import Progress
from rnngen.cli.style import alarm, verdicts
from rnngen.cli.text import (
    design_lines,
    dry_run_lines,
    emulation_lines,
    inspect_lines,
    simulation_lines,
    synthesis_lines,
    tool_lines,
)
from rnngen.emit.folder import is_system
from rnngen.errors import DataError, RnngenError, VerificationError
from rnngen.flow import GenerateOptions, dry_run, emulate, generate, report, simulate, synthesize
from rnngen.flow.arrays import read_lengths, write_array
from rnngen.flow.states import write_states
from rnngen.frontend import ImportOptions, inspect

BAD_INPUT = 2
DIFFERENT = 1
INTERRUPTED = 130

Result = tuple[dict[str, Any], list[str]] | tuple[dict[str, Any], list[str], int]
"""A command's result as plain data and as lines for people, and the exit status if it is not 0."""


_progress = Progress()


def _say(line: str) -> None:
    """Progress goes to standard error, so that standard output holds the result alone."""
    _progress.say(line)


def _doing(line: str) -> None:
    """Said where a command has taken long already, so that quick ones are silent."""
    _progress.doing(line)


class _Steps:
    """Progress of the emulator: at most a line every two seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._last > 2.0:
            self._last = time.monotonic()
            _say(f"emulated {done} of {total} steps")


def _imports(arguments: argparse.Namespace) -> ImportOptions:
    return ImportOptions(
        select=arguments.select,
        embedding=arguments.embedding,
        head=tuple(arguments.head),
        output=arguments.steps_out,
        nonlinearity=arguments.nonlinearity,
        mapping=arguments.mapping,
    )


def _inspect(arguments: argparse.Namespace) -> Result:
    _doing(f"reading {arguments.model}")
    summary = inspect(arguments.model, _imports(arguments))
    return summary.to_dict(), inspect_lines(summary)


def _check(arguments: argparse.Namespace) -> Result:
    return check.run(arguments, _imports(arguments), _say)


def _generate(arguments: argparse.Namespace) -> Result:
    _say(f"generating an accelerator of {arguments.model}")
    options = GenerateOptions(
        imports=_imports(arguments),
        calibrate=arguments.calibrate,
        board=arguments.board,
        multipliers=arguments.multipliers,
        dsps=arguments.dsps,
        dsp=arguments.dsp,
        lanes=arguments.lanes,
        weight_bits=arguments.weight_bits,
        activation_bits=arguments.activation_bits,
        banks=prune.given_banks(arguments),
        loadable=arguments.loadable,
        double_buffer=arguments.double_buffer,
        state_access=arguments.state,
        streams=arguments.streams,
        spaced=arguments.spaced,
        fold=arguments.fold,
        clock_mhz=arguments.clock_mhz,
        pipeline=arguments.pipeline,
        weights=arguments.weights,
        memory_bits=arguments.memory_bits,
        memory_latency=arguments.memory_latency,
        memory_burst=arguments.memory_burst,
        max_steps=arguments.max_steps,
        count=not arguments.no_count,
        name=arguments.name,
    )
    design = generate(arguments.model, arguments.design, options, _doing)
    return design.document, [*design_lines(design), *count.resource_lines(design.document)]


def _lengths(arguments: argparse.Namespace) -> list[int] | None:
    return None if arguments.lengths is None else read_lengths(arguments.lengths)


def _partition(arguments: argparse.Namespace) -> Result:
    return partition.run(arguments, _imports(arguments), _say)


def _emulate(arguments: argparse.Namespace) -> Result:
    result = emulate(arguments.design, arguments.input, _Steps(), arguments.state, _lengths(arguments))
    if arguments.output is not None:
        write_array(arguments.output, result.output)
    if arguments.final_state is not None:
        write_states(arguments.final_state, result.states)
    return result.to_dict(), emulation_lines(result, arguments.output)


def _simulate(arguments: argparse.Namespace) -> Result:
    if is_system(arguments.design):
        return system.run(arguments, _say)
    if arguments.apart:
        raise DataError("--apart is for the simulation of a system; leave it out, or give a system's folder.")
    result = simulate(
        arguments.design,
        arguments.input,
        steps=arguments.steps,
        lengths=_lengths(arguments),
        stall=arguments.stall,
        gaps=arguments.gap,
        memory=arguments.memory,
        waves=arguments.waves,
        progress=_say,
    )
    if arguments.output is not None and result.output is not None:
        write_array(arguments.output, result.output)
    exact = result.comparison.cycle_exact if result.comparison.cycles_compared else result.comparison.bit_exact
    if not exact:
        raise VerificationError(result.comparison.sentence or "The circuit and the emulator disagree.")
    return result.figures, simulation_lines(result.figures)


def _synthesize(arguments: argparse.Namespace) -> Result:
    if arguments.dry_run:
        dry = dry_run(arguments.design, _say, arguments.flow)
        return dry.to_dict(), dry_run_lines(dry.to_dict())
    result = synthesize(arguments.design, _say, arguments.flow)
    return result.to_dict(), synthesis_lines(result.to_dict())


def _report(arguments: argparse.Namespace) -> Result:
    _doing(f"writing the report of {arguments.design}")
    path = report(arguments.design)
    return {"report": str(path)}, [f"Report: {path}"]


def _boards(arguments: argparse.Namespace) -> Result:
    return boards.run(arguments, _imports(arguments), _doing)


def _count(arguments: argparse.Namespace) -> Result:
    return count.run(arguments, _say)


def _serve(arguments: argparse.Namespace) -> Result:
    return serve.run(arguments, _say)


def _reading(run: Callable[[argparse.Namespace], Result]) -> Callable[[argparse.Namespace], Result]:
    """A command that reads a model and says nothing of its own."""

    def reads(arguments: argparse.Namespace) -> Result:
        _doing(f"reading {arguments.model}")
        return run(arguments)

    return reads


def _doctor(arguments: argparse.Namespace) -> Result:
    tools = find_tools()
    return {"tools": [tool.to_dict() for tool in tools]}, tool_lines(tools)


def _completion(arguments: argparse.Namespace) -> Result:
    return completion.run(arguments, make_parser)


_COMMANDS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "inspect": _inspect,
    "check": _check,
    "generate": _generate,
    "partition": _partition,
    "emulate": _emulate,
    "simulate": _simulate,
    "synthesize": _synthesize,
    "count": _count,
    "report": _report,
    "factorize": _reading(factorize.run),
    "prune": _reading(prune.run),
    "boards": _boards,
    "serve-sim": _serve,
    "doctor": _doctor,
    "completion": _completion,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0; 2 on bad input or a missing tool, said in one sentence; 1 where circuit and emulator differ (``check``:
        where any comparison does; a refused model is 2).
    """
    global _progress
    arguments = make_parser().parse_args(argv)
    try:
        with Progress() as _progress:
            data, lines, *status = _COMMANDS[arguments.command](arguments)
    except RnngenError as error:
        if arguments.json:
            print(json.dumps({"error": str(error)}))
        print(f"{alarm('rnngen:', sys.stderr)} {error}", file=sys.stderr)
        return DIFFERENT if isinstance(error, VerificationError) else BAD_INPUT
    except KeyboardInterrupt:
        print(f"{alarm('rnngen:', sys.stderr)} interrupted", file=sys.stderr)
        return INTERRUPTED
    shown = [json.dumps(data, indent=2)] if arguments.json else [verdicts(line, sys.stdout) for line in lines]
    print("\n".join(shown))
    return status[0] if status else 0
