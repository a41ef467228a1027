"""When the processes of a simulation wait for each other, when the host begins, and when the run ends.

Times are simulator time steps since all clocks began, with an edge each.  A moment lies between edges of all clocks.
What is said here of a run is what ``sim/bench_stream.py`` does in one process.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnngen.verify.simulator import READY, RunOptions

PERIOD_STEPS = 10_000
RESET_CYCLES = 8
"""Both as in ``sim/bench_stream.py``."""


@dataclass(frozen=True)
class Course:
    """Of one run.

    Attributes:
        options: Of the run; clocks and the output's clock are those of the whole system.
        window: Ticks between two moments at most: what is sent behind the first one is not taken before the second one.
        shared: Clocks of devices of which several take the host's beats, or give results side by side: these wait for
            each other before and behind each edge.
    """

    options: RunOptions
    window: int
    shared: tuple[str, ...] = ()

    @property
    def tick(self) -> int:
        """Steps of a tick; even, so that moments are odd."""
        return 2 * max(1, PERIOD_STEPS // 2 // self.options.clocks[0][1])

    def period(self, clock: str) -> int:
        """Steps of a cycle."""
        return dict(self.options.clocks)[clock] * self.tick

    @property
    def base(self) -> int:
        """Steps of a cycle of the first device, in which the run is counted."""
        return self.period(self.options.clocks[0][0])

    @property
    def reset(self) -> int:
        """Until which the reset lasts."""
        return RESET_CYCLES * self.base

    @property
    def first(self) -> int:
        """The first moment."""
        return self.after(self.reset - 1, None)

    def after(self, moment: int, start: int | None) -> int:
        """The next moment; there is one in each cycle until it is known which is cycle 0, and one behind that.

        Args:
            start: When cycle 0 is; None: not known yet.
        """
        found = [moment + self.window * self.tick]
        if start is None:
            return min(*found, _before(moment, self.base))
        if moment < start:
            found.append(start + 1)
        for period in map(self.period, self.shared):
            found += [_before(moment, period), _before(moment - 2, period) + 2]
        return min(found)

    def start(self, moment: int, up: bool) -> int | None:
        """When cycle 0 is, where it is decided at this moment: an edge behind the first one at which all is up."""
        edge = moment + 1
        if edge % self.base:
            return None
        last = (edge - self.reset) // self.base >= self.options.time_limit_cycles
        return edge + self.base if up or last else None

    def change(self, start: int, cycle: int, name: str) -> int:
        """When an input takes a value that is to be there in a cycle."""
        if name != READY:
            return start + (cycle - 1) * self.base
        period = self.period(self.options.output_clock)
        return max(start, (start // period + cycle - 1) * period)

    def end(self, moment: int, start: int, done: int | None, seen: int | None) -> int | None:
        """When the run ends, once that has been.

        Args:
            done: When all expected beats had come.  seen: When all outputs watched had been 1.
        """
        options = self.options
        ends = [start + options.time_limit_cycles * self.base]
        if done is not None:
            ends.append(done)
        if seen is not None:
            ends.append(max(start, seen, *(self.change(start, cycle, name) for cycle, name, _ in options.events)))
        first = min(ends)
        drained = any(each is not None and each <= first for each in (done, seen))
        end = first + (options.drain_cycles * self.base if drained else 0)
        return end if end <= moment else None


def _before(moment: int, period: int) -> int:
    """The next moment just before an edge."""
    return ((moment + 1) // period + 1) * period - 1
