"""What stands around an engine, and the choices of a whole core."""

from __future__ import annotations

from dataclasses import dataclass

from rnngen.gateware.array import ArrayShape
from rnngen.plan.dsp import Dsp
from rnngen.plan.external import WeightStream


@dataclass(frozen=True)
class CoreOptions:
    """Choices of a whole core.

    Attributes:
        dsp: The device's DSP block, which stands for its family; None: the device is not known.
        loadable: Parameters can be written at run time; otherwise they are fixed at configuration.
        double_buffer: They have two images, and the one that is not in use is written (``Commit``).
        in_system: The core is a device's of a system, whose cores are reset together: its port has neither interrupt
            nor soft reset, and measures no latency.
        state_access: So can the state that sequences begin with, and the state of each stream can be read.
        images: What the names of memory images begin with, so that those of several cores can lie in one folder.
        single_port: Weights lie in RAM of one port that is empty at configuration (``rnn_weight_spram``); ``loadable``.
    """

    dsp: Dsp | None = None
    loadable: bool = False
    state_access: bool = False
    images: str = ""
    single_port: bool = False
    double_buffer: bool = False
    in_system: bool = False

    @property
    def multiplier(self) -> str:
        """Form of the multiplier's leaf: ``"generic"`` (inferred) or ``"ecp5"``."""
        return self.dsp.multiplier if self.dsp else "generic"


@dataclass(frozen=True)
class EngineContext:
    """What stands around an engine.

    Attributes:
        index: Of its memory images.
        x_size, h_size: Words of the whole vectors that it reads from (an engine of a group reads slices).
        x_lanes, h_lanes: Words that are written into their memories in a cycle.
        x_aligned, h_aligned: Whether every such write begins at a multiple of its lanes.
        streams: How many interleaved sequences keep a state each.
        options: Of the whole core.
        capacity: Steps of the longest stored sequence; 0: steps are taken as they come.
        reverse: Takes a stored sequence from its end.
        array: What multiplies, where all engines share it; None: the engine has an array of its own.
        weights: How the weights come, where they are in external memory.
        remote_lanes: Words of a beat of h from each other device, where some give parts of it.
        follows: Stands still while the engine that takes its results waits for other devices.
    """

    index: int
    x_size: int
    h_size: int
    x_lanes: int
    h_lanes: int
    x_aligned: bool
    h_aligned: bool
    streams: int
    options: CoreOptions
    capacity: int = 0
    reverse: bool = False
    array: ArrayShape | None = None
    weights: WeightStream | None = None
    remote_lanes: int = 0
    follows: bool = False
