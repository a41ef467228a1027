"""An accelerator as a script sees it: the same methods whatever is behind it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import send_order
from rnngen.arith.format import FloatArray, IntArray
from rnngen.emit.load_image import check_alike, load_crc, register_writes
from rnngen.errors import DataError, DesignError
from rnngen.gateware.registers import IDENTITY, MAP_VERSION
from rnngen.host.errors import HostError, LineError
from rnngen.host.parameters import OfFolder, Parameters, of_model
from rnngen.host.ports import HostDesign, host_design, known_by_digest

RETRIES = 3
_WORD = 0xFFFF_FFFF


@dataclass(frozen=True)
class Counters:
    """Counters since the last reset or ``clear_counters``; None: this device does not count it."""

    cycles: int | None = None
    steps_in: int | None = None
    steps_out: int | None = None
    input_stalls: int | None = None
    output_stalls: int | None = None
    saturations: int | None = None
    latency_max: int | None = None


class Device(ABC):
    """An accelerator that computes a design; a context manager that closes it.

    Attributes:
        design: What it computes.
        input_saturations: Input values so far that the input format does not hold.
    """

    def __init__(self, design: HostDesign, timeout: float) -> None:
        self.design = design
        self.input_saturations = 0
        self._timeout = timeout
        self._loaded: Parameters | None = None
        self._image: int | None = None
        """Which of two images holds what was loaded; None: there is one, or nothing was loaded."""
        self._stepwise = design.every
        """Whether results come step by step, and not with the last step of a sequence."""

    # What a device is made of

    @abstractmethod
    def _send(self, words: IntArray, last: bool, stream: int) -> None:
        """Sends a step of integers; waits while there is no room."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether a result is there."""

    @abstractmethod
    def _result(self, timeout: float | None = None) -> tuple[int, IntArray]:
        """Stream and words of the next result.

        Raises:
            HostError: none came in time.  LineError: one was lost.
        """

    @abstractmethod
    def read_register(self, name: str) -> int:
        """A register of the control port by its name (``design.json``: ``registers``)."""

    @abstractmethod
    def _write_all(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Writes many registers by byte address, in order."""

    @abstractmethod
    def close(self) -> None:
        """Releases the device."""

    @abstractmethod
    def recover(self) -> None:
        """Brings the device back whatever has happened: nothing is in flight and every state is cleared.

        What was loaded is loaded again where a restart loses it.

        Raises:
            HostError: if it does not answer.
        """

    # Sequences

    def run(
        self, x: npt.ArrayLike | Sequence[npt.ArrayLike], lengths: Sequence[int] | None = None, retries: int = RETRIES
    ) -> Any:
        """Outputs of whole sequences, in real units; each begins from a cleared state.

        Args:
            x: (sequences, steps, features); or (steps, features), one sequence; or a list of these, of any lengths.
            lengths: Steps of each sequence of an array, where they differ; outputs behind its end are 0.
            retries: So often sequences are sent again that were lost on the line.

        Returns:
            As x is: an array (sequences, steps, outputs) or (steps, outputs), or a list.  A design that gives one
            output a sequence gives one step.

        Raises:
            DataError: wrong shape, or a value that is not finite.
            HostError: the device does not answer in time, or the line loses too much.
        """
        if not isinstance(x, list | tuple):
            array = np.asarray(x, dtype=np.float64)
            if array.ndim == 2 and lengths is None:
                return self._run([array], retries)[0]
            return self._padded(array, lengths, retries)
        if lengths is not None:
            raise DataError("Lengths are for an array of padded sequences; a list has sequences of their own lengths.")
        return self._run([np.asarray(one, dtype=np.float64) for one in x], retries)

    def _padded(self, x: FloatArray, lengths: Sequence[int] | None, retries: int) -> FloatArray:
        if x.ndim != 3:
            raise DataError(f"Input must be of shape (sequences, steps, {self.design.inputs}), not {x.shape}.")
        own = [x.shape[1]] * len(x) if lengths is None else [int(length) for length in lengths]
        if len(own) != len(x) or any(not 1 <= length <= x.shape[1] for length in own):
            raise DataError(f"Lengths must be {len(x)} numbers within 1..{x.shape[1]}, not {own}.")
        results = self._run([one[:length] for one, length in zip(x, own)], retries)
        y = np.zeros((len(x), 1 if self.design.one_step else x.shape[1], self.design.outputs))
        for target, result in zip(y, results):
            target[: len(result)] = result
        return y

    def _run(self, sequences: list[FloatArray], retries: int) -> list[FloatArray]:
        inputs = []
        for one in sequences:
            if one.ndim != 2 or not len(one):
                raise DataError(f"A sequence must be of shape (steps, {self.design.inputs}), not {one.shape}.")
            self._check_length(len(one))
            words, saturated = self.design.integers(one)
            self.input_saturations += saturated
            inputs.append(words)
        found: list[IntArray] = []
        for first in range(0, len(inputs), self.design.streams):
            found += self._tried(inputs[first : first + self.design.streams], retries)
        return [self.design.reals(words) for words in found]

    def _check_length(self, steps: int) -> None:
        most = self.design.document["capacity_steps"]
        if most and steps > most:
            raise DataError(f"The design stores sequences of at most {most} steps, not {steps}; see --max-steps.")

    def _tried(self, inputs: list[IntArray], retries: int) -> list[IntArray]:
        """Sequences of all streams side by side, sent again where the line lost something."""
        for attempt in range(retries + 1):
            try:
                return self._side_by_side(inputs)
            except LineError:
                if attempt == retries:
                    raise
                self.recover()
        raise AssertionError

    def _side_by_side(self, inputs: list[IntArray]) -> list[IntArray]:
        due = [1 if self.design.one_step else len(words) for words in inputs]
        found: list[list[IntArray]] = [[] for _ in inputs]

        def take() -> None:
            stream, words = self._result()
            if stream >= len(found) or len(found[stream]) == due[stream]:
                raise LineError(f"A result of stream {stream} came that nothing was sent for; recover() the device.")
            found[stream].append(words)

        order = send_order([len(words) for words in inputs], len(inputs))
        for sequence, step in zip(*(part.tolist() for part in order)):
            self._send(inputs[sequence][step], step == len(inputs[sequence]) - 1, sequence)
            while self._ready():
                take()
        while any(len(have) < wanted for have, wanted in zip(found, due)):
            take()
        return [np.stack(have) for have in found]

    def sequence(self, stream: int = 0) -> RunningSequence:
        """A sequence whose steps are given one by one; a context manager."""
        return RunningSequence(self, stream)

    def stream(self, steps: Iterable[npt.ArrayLike], ahead: int = 8) -> Iterator[FloatArray]:
        """Results (outputs,) of steps (features,) of one sequence, as they come.

        Args:
            ahead: Results are waited for once so many steps are in flight; 1: each result is given before the next
                step is asked for, as a live source needs it.
        """
        with self.sequence() as sequence:
            if self._stepwise:
                for x in steps:
                    sequence.send(x)
                    while sequence.pending >= ahead:
                        yield sequence.receive()
            else:
                held: list[npt.ArrayLike] = []
                for x in steps:
                    if held:
                        sequence.send(held.pop())
                    held.append(x)
                if held:
                    sequence.send(held.pop(), last=True)
            while sequence.pending:
                yield sequence.receive()

    # Registers

    def write_register(self, name: str, value: int) -> None:
        """Writes a register of the control port."""
        self._write_all([(self._offset(name), value)])

    def counters(self) -> Counters:
        """What the hardware has counted."""
        registers = self.design.document["registers"]
        low = self.read_register("CYCLES_LOW")
        values = {"cycles": self.read_register("CYCLES_HIGH") << 32 | low}
        for name in ("steps_in", "steps_out", "input_stalls", "output_stalls", "saturations", "latency_max"):
            if name.upper() in registers:
                values[name] = self.read_register(name.upper())
        return Counters(**values)

    def clear_counters(self) -> None:
        """Sets all counters to 0."""
        self._control("enable", "clear_counters")

    def errors(self) -> tuple[str, ...]:
        """Names of what has gone wrong inside the accelerator since ``clear_errors``."""
        word = self.read_register("ERRORS")
        fields = self.design.document["registers"]["ERRORS"]["fields"]
        return tuple(name for name, (low, _) in fields.items() if word >> low & 1)

    def clear_errors(self) -> None:
        """Forgets what has gone wrong."""
        self.write_register("ERRORS", _WORD)

    def clear_state(self) -> None:
        """The next step of every stream is the first of a sequence."""
        self._control("enable", "clear_state")

    def _end(self, stream: int) -> None:
        """Ends a sequence without a last step; half a stored one can only be thrown away."""
        if self._stepwise:
            self.clear_state()
        else:
            self.recover()

    def load(self, source: Any) -> None:
        """Loads the parameters of another design of the same structure; the next sequence is computed with them.

        Args:
            source: Its folder, or a ``Design``.

        Raises:
            DesignError: if this one was not generated with --loadable, or the other one does not fit it.
            HostError: if it does not answer, or says that something was not loaded.
        """
        other = host_design(source)
        self._check_loadable()
        check_alike(self.design.document, other.document)
        self._load(OfFolder(other))

    def load_model(self, model: Any, imports: Any = None) -> None:
        """Loads a model of the same structure, quantised in the formats of this design; see ``rnngen.flow.checkpoint``.

        Args:
            model: A ``torch.nn.Module``, or a file that ``rnngen generate`` takes.
            imports: ``rnngen.frontend.ImportOptions``, where the model alone does not say enough.

        Raises:
            ModelError: if anything but the values of parameters differs from the design's.
            FormatError: if parameters are too large for the design's formats.
            DesignError, HostError: see ``load``.
        """
        self._check_loadable()
        self._load(of_model(self.design, model, imports))

    def _check_loadable(self) -> None:
        if not self.design.document["loadable"]:
            raise DesignError(f"'{self.design.name}' cannot be loaded; generate it with --loadable.")

    def _load(self, parameters: Parameters) -> None:
        self._put(parameters)
        self._loaded = parameters

    def _put(self, parameters: Parameters) -> None:
        records = parameters.records()
        self.clear_errors()
        double = self._feature("double_buffer")
        if double:
            self._image = 1 - self._image_in_use()
            self.write_register("LOAD_CONTROL", self._bits("LOAD_CONTROL", "begin"))
        else:
            self._control()
            self._wait_idle()
        for record, pairs in register_writes(records, self._offsets()):
            self._write_all(pairs)
            words = self.read_register("LOAD_STATUS")
            if words != len(record.parts):
                raise HostError(
                    f"Memory {record.memory} of engine {record.engine} took {words} of {len(record.parts)} words: load "
                    f"again."
                )
        if double:
            self.write_register("LOAD_CHECKSUM", load_crc(records))
            self.write_register("LOAD_CONTROL", self._bits("LOAD_CONTROL", "commit"))
        if wrong := self.errors():
            raise HostError(f"Loading failed ({', '.join(wrong)}): load again; nothing is computed until then.")
        self._control("enable", "clear_state")

    def _image_in_use(self) -> int:
        return int(bool(self.read_register("STATUS") & self._bits("STATUS", "image")))

    def _feature(self, name: str) -> bool:
        """Whether FEATURES tells this; where there is no such register nothing is told."""
        if "FEATURES" not in self.design.document["registers"]:
            return False
        return bool(self.read_register("FEATURES") & self._bits("FEATURES", name))

    def _wait_idle(self) -> None:
        deadline = time.monotonic() + self._timeout
        while not self.read_register("STATUS") & self._bits("STATUS", "idle"):
            if time.monotonic() > deadline:
                raise HostError(f"The accelerator was not idle within {self._timeout:g} s: recover() the device.")

    def _control(self, *fields: str) -> None:
        """Writes CONTROL with these bits at 1, and no others."""
        self.write_register("CONTROL", self._bits("CONTROL", *fields))

    def _bits(self, register: str, *fields: str) -> int:
        found = self.design.document["registers"][register]["fields"]
        return sum(1 << found[field][0] for field in fields)

    def _offsets(self) -> dict[str, int]:
        return {name: entry["offset"] for name, entry in self.design.document["registers"].items()}

    def _offset(self, name: str) -> int:
        try:
            return int(self.design.document["registers"][name]["offset"])
        except KeyError:
            raise DesignError(f"The design has no register {name}.") from None

    def check_identity(self) -> None:
        """Stops unless the device holds this design.

        Raises:
            DesignError: naming what it holds.
        """
        identity, version = self.read_register("IDENTITY"), self.read_register("VERSION")
        if identity != IDENTITY:
            raise DesignError(f"The device holds no accelerator of rnngen: its identity is 0x{identity:08X}.")
        if version >> 16 != MAP_VERSION[0]:
            raise DesignError(f"The device has register table {version >> 16}, not {MAP_VERSION[0]}: build it again.")
        digest = "".join(f"{self.read_register(f'DIGEST{index}'):08x}" for index in range(4))
        wanted = self.design.document["digest"][:32]
        if digest != wanted:
            name = known_by_digest(self.design.folder, digest)
            other = f"that of '{name}'" if name else f"another design (digest {digest})"
            raise DesignError(
                f"The device holds {other}, not '{self.design.name}' (digest {wanted}): configure it with the "
                f"bitstream of this design, or open it with the folder of its own."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RunningSequence:
    """A sequence on a device, step by step.

    with device.sequence() as sequence:
        for x in source:
            y = sequence.step(x)

    Where it ends without a last step the states of all streams are cleared.
    """

    def __init__(self, device: Device, stream: int) -> None:
        if not 0 <= stream < device.design.streams:
            raise DataError(f"Streams of this design are 0..{device.design.streams - 1}, not {stream}.")
        self._device, self._stream = device, stream
        self._steps = 0
        self._ended = False
        self._due = 0

    @property
    def pending(self) -> int:
        """Results that are still to come of what was sent."""
        return self._due

    def send(self, x: npt.ArrayLike, last: bool = False) -> None:
        """Sends a step (features,) in real units; ``last`` ends the sequence."""
        design = self._device.design
        if self._ended:
            raise DataError("The sequence has ended: begin another one.")
        self._device._check_length(self._steps + 1)
        words, saturated = design.integers(np.asarray(x, dtype=np.float64).reshape(-1))
        self._device.input_saturations += saturated
        self._device._send(words, last, self._stream)
        self._steps += 1
        self._ended = last
        if self._device._stepwise:
            self._due += 1
        elif last:
            self._due = 1 if design.one_step else self._steps

    def receive(self, timeout: float | None = None) -> FloatArray:
        """The next result (outputs,) in real units.

        Raises:
            DataError: nothing was sent that has one.  HostError: none came in time.
        """
        if not self._due:
            raise DataError("No result is due: send a step first (or the last one, where only that has a result).")
        _, words = self._device._result(timeout)
        self._due -= 1
        return self._device.design.reals(words)

    def step(self, x: npt.ArrayLike) -> FloatArray:
        """Sends a step and waits for its result."""
        self.send(x)
        while self._due > 1:
            self.receive()
        return self.receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and kind is not GeneratorExit:
            return
        while self._due:
            self.receive()
        if self._steps and not self._ended:
            self._device._end(self._stream)
