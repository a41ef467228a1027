"""A board top running in the background, its UART reachable at a socket.

with UartSimulation(design_dir, "board_top", sources, clocks_per_bit=217) as simulation:
    accelerator = Accelerator(SocketTransport(simulation.socket), design)
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from rnngen.errors import ToolError
from rnngen.verify.compile import CompileOptions
from rnngen.verify.process import bench_environment, check_results, command_line
from rnngen.verify.simulator import Progress, RunOptions, check_images, compile_design

_END_SECONDS = 30.0


@dataclass(frozen=True)
class UartOptions:
    """Pins of the board top, and when the simulation waits for the host (see ``sim/bench_uart.py``)."""

    clocks_per_bit: int
    clock: str = "clk25"
    rx: str = "uart_rx"
    tx: str = "uart_tx"
    start_cycles: int = 16
    idle_cycles: int = 100_000
    host_seconds: float = 120.0
    parameters: tuple[tuple[str, int], ...] = ()


class UartSimulation:
    """Context manager: compiles and starts the simulation, and stops it when the block ends.

    The client's connection must be closed first; that ends the run in an orderly way.

    Raises:
        ToolError: the simulator cannot be built, or the bench failed (on leaving the block).
    """

    def __init__(
        self,
        design_dir: Path,
        top: str,
        sources: Sequence[Path],
        options: UartOptions,
        progress: Progress = lambda line: None,
    ) -> None:
        self._rtl = design_dir.resolve() / "rtl"
        self._top, self._options, self._progress = top, options, progress
        self._files = [self._rtl / source for source in sources]

    def waiting(self, host_seconds: float, idle_cycles: int) -> UartSimulation:
        """The same, which waits so long for a host that says nothing, once nothing has moved for so many cycles."""
        options = replace(self._options, host_seconds=host_seconds, idle_cycles=idle_cycles)
        other = UartSimulation(self._rtl.parent, self._top, (), options, self._progress)
        other._files = self._files
        return other

    @property
    def speed(self) -> tuple[int, float]:
        """Cycles so far, and the seconds in which they were simulated, waiting for the host apart."""
        try:
            told = json.loads((self._work / "speed.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0, 0.0
        return int(told["cycles"]), float(told["seconds"])

    @property
    def socket(self) -> Path:
        """Where the bench listens."""
        return self._work / "uart"

    def __enter__(self) -> Self:
        options = self._options
        check_images(self._files, self._rtl)
        visible = CompileOptions(visible=(options.clock, options.rx, options.tx), parameters=options.parameters)
        run_options = RunOptions(expected_beats=0, compile=visible)
        simulator = compile_design(self._top, self._files, run_options, self._progress)
        self._folder = tempfile.TemporaryDirectory(prefix="rnngen-")
        self._work = Path(self._folder.name)
        config = {name: getattr(options, name) for name in options.__dataclass_fields__ if name != "parameters"}
        config |= {"socket": str(self.socket), "speed": str(self._work / "speed.json")}
        (self._work / "bench.json").write_text(json.dumps(config), encoding="utf-8")
        self._log = (self._work / "log").open("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            command_line(simulator, None),
            cwd=self._rtl,
            env=bench_environment(self._top, "bench_uart", self._work),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end(report=kind is None)
        finally:
            self._log.close()
            self._folder.cleanup()

    def _end(self, report: bool) -> None:
        """Wait for the run to end; an error inside the block is more telling than one found here."""
        try:
            self._process.wait(_END_SECONDS if report else 1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            if report:
                raise ToolError(
                    f"The simulation of {self._top} did not end within {_END_SECONDS:g} s: close the transport "
                    "before leaving the block."
                ) from None
        if report:
            self._log.seek(0)
            check_results(self._work / "results.xml", self._log.read().splitlines())
