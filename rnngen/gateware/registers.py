"""The registers of the AXI4-Lite control port: one table for the gateware, the C header, Python and the documentation.

Nothing here needs Amaranth, so that the host side may use the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

WORD_BITS = 32
ADDRESS_BITS = 16
IDENTITY = int.from_bytes(b"RNNG", "little")
MAP_VERSION = (1, 3)
"""Major: what existed has changed its meaning.  Minor: something was added."""

Access = Literal["ro", "rw", "w1c", "wo"]
ACCESSES = {
    "ro": "read only",
    "rw": "read and write",
    "w1c": "read; writing 1 to a bit clears it",
    "wo": "write only",
}


@dataclass(frozen=True)
class Field:
    """Bits ``low`` to ``low + width - 1`` of a register.

    Attributes:
        reset: Value after reset; of a constant, its value.
        pulse: Writing 1 acts once; the bit reads as 0.
    """

    name: str
    low: int
    width: int
    description: str
    reset: int = 0
    pulse: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.low + self.width <= WORD_BITS:
            raise ValueError(
                f"Field '{self.name}' must lie within bits 0..{WORD_BITS - 1}, not start at {self.low} "
                f"with {self.width} bits."
            )
        if not 0 <= self.reset < 1 << self.width:
            raise ValueError(f"Field '{self.name}': reset value must fit {self.width} bits, not be {self.reset}.")

    @property
    def mask(self) -> int:
        """The field's bits within the word."""
        return ((1 << self.width) - 1) << self.low

    @property
    def bits(self) -> str:
        """``"7:0"``, or ``"3"`` for a single bit."""
        return f"{self.low + self.width - 1}:{self.low}" if self.width > 1 else str(self.low)


@dataclass(frozen=True)
class Register:
    """A word at byte address ``offset``; bits of no field read as 0 and ignore what is written.

    Attributes:
        feature: The bit of FEATURES without which the register stores nothing and reads as 0; empty: always there.
        live: Its value is neither a constant nor what was written.
    """

    name: str
    offset: int
    access: Access
    fields: tuple[Field, ...]
    description: str
    feature: str = ""
    live: bool = True

    def __post_init__(self) -> None:
        if self.offset % 4 or not 0 <= self.offset < 1 << ADDRESS_BITS:
            raise ValueError(
                f"Register {self.name}: offset must be a multiple of 4 below 0x{1 << ADDRESS_BITS:X}, "
                f"not 0x{self.offset:X}."
            )
        used = 0
        for field in self.fields:
            if used & field.mask:
                raise ValueError(f"Register {self.name}: field '{field.name}' overlaps another at bits {field.bits}.")
            used |= field.mask

    @property
    def reset(self) -> int:
        """The word after reset."""
        return sum(field.reset << field.low for field in self.fields)

    @property
    def stored_mask(self) -> int:
        """Bits that keep what was written, where the register is written at all."""
        return sum(field.mask for field in self.fields if not field.pulse)

    def field(self, name: str) -> Field:
        """The field of this name."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"Register {self.name} has no field '{name}'.")


def _word(
    name: str, offset: int, access: Access, field: str, description: str, reset: int = 0, feature: str = "",
    live: bool = True,
) -> Register:  # fmt: skip
    """A register that is one field of 32 bits."""
    whole = (Field(field, 0, WORD_BITS, description, reset),)
    return Register(name, offset, access, whole, description, feature, live)


def _counter(name: str, offset: int, what: str) -> Register:
    return _word(name, offset, "ro", "count", f"{what}. Stays at its largest value; cleared by clear_counters.")


def _flags(*fields: tuple[str, str]) -> tuple[Field, ...]:
    """Fields of a bit each, from bit 0 on, by name and description."""
    return tuple(Field(name, low, 1, description) for low, (name, description) in enumerate(fields))


def _digest(index: int) -> Register:
    high = 127 - 32 * index
    return _word(
        f"DIGEST{index}", 0x10 + 4 * index, "ro", "digest", f"Bits {high}:{high - 31} of the design digest (0: none)."
    )


REGISTERS: tuple[Register, ...] = (
    _word("IDENTITY", 0x00, "ro", "identity", "The bytes R N N G, R in the lowest.", IDENTITY, live=False),
    Register(
        "VERSION",
        0x04,
        "ro",
        (
            Field("minor", 0, 16, "Grows when something is added to this table.", MAP_VERSION[1]),
            Field("major", 16, 16, "Grows when something in this table changes its meaning.", MAP_VERSION[0]),
        ),
        "Version of this register table.",
        live=False,
    ),
    Register(
        "FEATURES",
        0x08,
        "ro",
        (
            *_flags(
                ("loadable", "Weights and biases can be written with LOAD_DATA."),
                ("double_buffer", "They have two images: LOAD_DATA fills the one that is not in use."),
                ("state_access", "States can be given with LOAD_DATA and read with READ_DATA."),
                ("spaced", "The h-part of a step is computed before its x comes."),
                ("external_weights", "Weights are read from external memory."),
                ("sparse", "A layer multiplies its non-zeros only."),
                ("stored_sequences", "A layer works on whole stored sequences (a backward layer)."),
                ("symbols", "Input words are symbols, not numbers."),
                ("soft_reset", "CONTROL.soft_reset does something."),
                ("interrupt", "There is an interrupt output, irq."),
                ("latency", "LATENCY_MAX is measured."),
            ),
            Field("streams", 16, 16, "Interleaved sequences that keep a state each."),
        ),
        "What this design has; constant.",
    ),
    *(_digest(index) for index in range(4)),
    Register(
        "CONTROL",
        0x20,
        "rw",
        (
            Field("enable", 0, 1, "0: no new input beats are accepted; what was accepted is finished.", reset=1),
            Field("clear_counters", 1, 1, "Sets all counters to 0.", pulse=True),
            Field("clear_state", 2, 1, "The next step of every stream is the first of a sequence.", pulse=True),
            Field(
                "soft_reset", 3, 1,
                "Resets all behind the registers: states, pipelines, buffers. See STATUS.resetting.", pulse=True,
            ),  # fmt: skip
        ),
        "Control.",
    ),
    Register(
        "STATUS",
        0x24,
        "ro",
        (
            Field("idle", 0, 1, "No step is inside the accelerator."),
            Field("input_stalled", 1, 1, "The accelerator waits for an input beat now."),
            Field("output_stalled", 2, 1, "An output beat waits for its receiver now."),
            Field("resetting", 3, 1, "A soft reset is not done yet: it waits for an output beat to be taken."),
            Field("between_sequences", 4, 1, "Every stream's last input step ended its sequence (TLAST, or a clear)."),
            Field("commit_waits", 5, 1, "A commit was taken; the images change between two sequences."),
            Field("image", 6, 1, "Which of both images is in use."),
        ),
        "State at the time of the read.",
    ),
    Register(
        "ERRORS",
        0x28,
        "w1c",
        (
            Field("tlast_in_step", 0, 1, "TLAST came with an input beat that is not its step's last."),
            Field(
                "load_rejected", 1, 1,
                "LOAD_DATA was written for a memory or a word that does not exist, or for an image that a commit "
                "waits to use.",
            ),  # fmt: skip
            Field("sequence_too_long", 2, 1, "A sequence had more steps than can be stored; it was dropped."),
            Field("bad_symbol", 3, 1, "An input symbol was none of the table's; 0 was taken in its place."),
            Field("memory_error", 4, 1, "A read of external weights failed; no more results come until reset."),
            Field(
                "commit_rejected", 5, 1,
                "LOAD_CONTROL.commit came without a whole image of this checksum; the weights stay as they are.",
            ),  # fmt: skip
            Field("bad_stream", 6, 1, "TID, or CLEAR_STREAM, named no stream; of TID, 0 was taken in its place."),
        ),
        "Errors since reset; a bit stays until 1 is written to it.",
    ),
    Register(
        "CLEAR_STREAM",
        0x2C,
        "wo",
        (Field("stream", 0, 16, "The stream, counted from 0."),),
        "The next step of the stream that is written is the first of a sequence. Only writes of all four bytes are "
        "legal.",
    ),
    _word("CYCLES_LOW", 0x30, "ro", "count", "Clock cycles since reset or clear_counters, bits 31:0."),
    _word("CYCLES_HIGH", 0x34, "ro", "count", "Bits 63:32 at the time of the last read of CYCLES_LOW."),
    _counter("STEPS_IN", 0x38, "Steps completely received"),
    _counter("STEPS_OUT", 0x3C, "Steps completely sent"),
    _counter("INPUT_STALLS", 0x40, "Cycles with s_axis_tready high and s_axis_tvalid low"),
    _counter("OUTPUT_STALLS", 0x44, "Cycles with m_axis_tvalid high and m_axis_tready low"),
    _counter("SATURATIONS", 0x48, "Values that saturated, over all engines"),
    _word(
        "LATENCY_MAX",
        0x4C,
        "ro",
        "cycles",
        "The most cycles from the last input beat of a step to its last output beat; where not every step has an "
        "output, of a sequence's last step. Cleared by clear_counters.",
        feature="latency",
    ),
    Register(
        "LOAD_SELECT",
        0x50,
        "rw",
        (
            Field(
                "memory", 0, 3,
                "0: weights.  1: bias.  2, 3: h and state that sequences begin with.  4: places of non-zeros.",
            ),  # fmt: skip
            Field("engine", 8, 8, "Engine, that is layer, counted from 0."),
        ),
        "Memory that LOAD_DATA fills. Writing it drops an unfinished word and sets LOAD_STATUS to 0.",
    ),
    _word(
        "LOAD_ADDRESS",
        0x54,
        "rw",
        "word",
        "Memory word that the next complete word goes to; counts up with it. Writing it drops an unfinished word.",
    ),
    _word(
        "LOAD_DATA",
        0x58,
        "wo",
        "data",
        "The next 32 bits of the memory word, the lowest first. The word is written to the memory with its last part; "
        "spare high bits of that are ignored. Only writes of all four bytes are legal.",
    ),
    _word("LOAD_STATUS", 0x5C, "ro", "words", "Words written to the memory since LOAD_SELECT was written."),
    Register(
        "READ_SELECT",
        0x60,
        "rw",
        (
            Field("memory", 0, 1, "0: the latest h.  1: the state that the units remember."),
            Field("engine", 8, 8, "Engine, counted from 0."),
            Field("stream", 16, 16, "Stream, counted from 0."),
        ),
        "State that READ_DATA shows.",
    ),
    Register(
        "READ_ADDRESS",
        0x64,
        "rw",
        (Field("part", 0, 16, "Its part of 32 bits, the lowest is 0."), Field("word", 16, 16, "Memory word.")),
        "Place that READ_DATA shows.",
    ),
    _word(
        "READ_DATA",
        0x68,
        "ro",
        "data",
        "32 bits of the state at READ_SELECT and READ_ADDRESS, while STATUS.idle is 1; else of no meaning. "
        "Read it behind the answer to the write that chose the place.",
    ),
    Register(
        "MEMORY_BASE_LOW",
        0x70,
        "rw",
        (Field("base", 12, 20, "Bits 31:12 of the byte address of the external weights; the low bits are 0."),),
        "Where the external weights lie. Written while fetch is 0; stores nothing where all weights are on chip.",
        "external_weights",
    ),
    _word("MEMORY_BASE_HIGH", 0x74, "rw", "base", "Bits 63:32 of that address.", feature="external_weights"),
    Register(
        "MEMORY_CONTROL",
        0x78,
        "rw",
        (Field("fetch", 0, 1, "1: external weights are read. Write it once they are in memory and the base is set."),),
        "Reading of external weights. Until fetch is 1 no step is computed; 0 stops reading, not what was asked for.",
        "external_weights",
    ),
    Register(
        "INTERRUPT_PENDING",
        0x80,
        "w1c",
        _flags(
            ("step", "The last beat of an output step was sent."),
            ("sequence", "The last beat of an output sequence (TLAST) was sent."),
            ("error", "A bit of ERRORS was set, again or newly."),
            ("commit", "The images have changed."),
            ("reset", "A soft reset is done."),
        ),
        "What has happened; a bit stays until 1 is written to it, whether INTERRUPT_MASK has it or not.",
        "interrupt",
    ),
    Register(
        "INTERRUPT_MASK",
        0x84,
        "rw",
        _flags(
            *((name, "1: irq is high while this bit is pending.") for name in
              ("step", "sequence", "error", "commit", "reset")),
        ),
        "Which bits of INTERRUPT_PENDING raise irq.",
        "interrupt",
    ),  # fmt: skip
    Register(
        "LOAD_CONTROL",
        0x90,
        "rw",
        (
            Field(
                "begin", 0, 1,
                "LOAD_CRC and LOAD_WORDS begin anew, and a commit that waits is forgotten.", pulse=True,
            ),
            Field(
                "commit", 1, 1,
                "The image that was loaded is used from the next sequence on, if LOAD_CRC is LOAD_CHECKSUM and "
                "LOAD_WORDS are all; else ERRORS.commit_rejected is set.", pulse=True,
            ),
        ),
        "Changes weights while the accelerator runs, where FEATURES.double_buffer is set.",
    ),  # fmt: skip
    _word("LOAD_CHECKSUM", 0x94, "rw", "crc", "What LOAD_CRC must be for a commit.", feature="double_buffer"),
    _word(
        "LOAD_CRC",
        0x98,
        "ro",
        "crc",
        "CRC-32 (that of zlib) of all words that were written to LOAD_SELECT, LOAD_ADDRESS and LOAD_DATA since begin, "
        "in the order of the writes, the lowest byte of each first.",
        feature="double_buffer",
    ),
    _word(
        "LOAD_WORDS",
        0x9C,
        "ro",
        "words",
        "Memory words of weights, biases and places written since begin; counts one further than all of them at most.",
        feature="double_buffer",
    ),
)



@dataclass(frozen=True)
class Features:
    """What a design has, as FEATURES tells it; each attribute is the field of that name."""

    loadable: bool = False
    double_buffer: bool = False
    state_access: bool = False
    spaced: bool = False
    external_weights: bool = False
    sparse: bool = False
    stored_sequences: bool = False
    symbols: bool = False
    soft_reset: bool = False
    interrupt: bool = False
    latency: bool = False
    streams: int = 1

    @property
    def word(self) -> int:
        """The register's value."""
        return sum(int(value) << _FEATURES.field(name).low for name, value in asdict(self).items())

    @classmethod
    def of(cls, word: int) -> Features:
        """What a value of the register tells; bits that this table does not know are ignored."""
        streams, *flags = reversed([(field.name, (word & field.mask) >> field.low) for field in _FEATURES.fields])
        return cls(streams=streams[1], **{name: bool(value) for name, value in flags})

    def has(self, register: Register) -> bool:
        """Whether the register does something here."""
        return not register.feature or bool(getattr(self, register.feature))


_FEATURES = next(register for register in REGISTERS if register.name == "FEATURES")

LOADING = """\
To load parameters at run time: write 0 to CONTROL.enable, wait for STATUS.idle, write LOAD_SELECT and LOAD_ADDRESS,
write LOAD_DATA ceil(word width / 32) times for each word, check LOAD_STATUS and ERRORS, write 1 to CONTROL.enable.
A step that is computed while its memory is being loaded has undefined results.  A state that sequences begin with
is loaded in the same way; the latest state of a stream is read at READ_SELECT, READ_ADDRESS, READ_DATA while
STATUS.idle is 1.
Where FEATURES.double_buffer is set the weights are loaded while the accelerator computes: write 1 to
LOAD_CONTROL.begin, load all memories of weights, biases and places as above, write the CRC-32 of all words written to
LOAD_SELECT, LOAD_ADDRESS and LOAD_DATA to LOAD_CHECKSUM and 1 to LOAD_CONTROL.commit.  The next sequence that begins
when all streams are between sequences uses them, and none uses both.
Weights in external memory: write them to memory, their address to MEMORY_BASE_LOW and MEMORY_BASE_HIGH, and 1 to
MEMORY_CONTROL.fetch.  Others take their place behind a reset.
"""


def check_table(registers: Sequence[Register]) -> None:
    """Stop at the first register whose address or name is taken.

    Raises:
        ValueError: naming both registers.
    """
    offsets: dict[int, str] = {}
    names: set[str] = set()
    for register in registers:
        if register.offset in offsets:
            raise ValueError(
                f"Register {register.name} must not share offset 0x{register.offset:02X} "
                f"with {offsets[register.offset]}."
            )
        if register.name in names:
            raise ValueError(f"Register name {register.name} must be used once only.")
        offsets[register.offset] = register.name
        names.add(register.name)


def python_map(registers: Sequence[Register] = REGISTERS) -> dict[str, dict[str, Any]]:
    """The table as JSON-ready values: ``{name: {offset, access, reset, feature, fields: {name: [low, width]}}}``."""
    return {
        register.name: {
            "offset": register.offset,
            "access": register.access,
            "reset": register.reset,
            "feature": register.feature,
            "fields": {field.name: [field.low, field.width] for field in register.fields},
        }
        for register in registers
    }


def c_header(registers: Sequence[Register] = REGISTERS) -> str:
    """The table as a C header: RNN_<REGISTER> is a byte offset, RNN_<REGISTER>_<FIELD>_MASK and _SHIFT its fields."""
    lines = ["/* Registers of the accelerator's control port, generated by rnngen. */"]
    lines += ["#ifndef RNN_REGISTERS_H", "#define RNN_REGISTERS_H"]
    for register in registers:
        name = f"RNN_{register.name}"
        lines += ["", f"/* {register.description}{_needs(register)} ({ACCESSES[register.access]}) */"]
        lines.append(f"#define {name} 0x{register.offset:02X}u")
        if register.reset:
            lines.append(f"#define {name}_RESET 0x{register.reset:08X}u")
        for field in register.fields:
            lines.append(f"#define {name}_{field.name.upper()}_MASK 0x{field.mask:08X}u")
            lines.append(f"#define {name}_{field.name.upper()}_SHIFT {field.low}")
    return "\n".join([*lines, "", "#endif", ""])


def _needs(register: Register) -> str:
    """A sentence about the feature that the register needs, where it needs one."""
    return f" Only where FEATURES.{register.feature} is set; else it reads as 0." if register.feature else ""


def markdown(registers: Sequence[Register] = REGISTERS) -> str:
    """The table as a Markdown table, one row a field."""
    lines = ["| Offset | Register | Access | Bits | Field | Reset | Meaning |", "|---|---|---|---|---|---|---|"]
    for register in registers:
        for index, field in enumerate(register.fields):
            head = f"0x{register.offset:02X} | {register.name} | {register.access}" if index == 0 else " |  | "
            further = (" Acts once, reads as 0." if field.pulse else "") + (_needs(register) if index == 0 else "")
            cells = f"{head} | {field.bits} | {field.name} | 0x{field.reset:X} | {field.description}{further}"
            lines.append(f"| {cells} |")
    meanings = "; ".join(f"{access}: {meaning}" for access, meaning in ACCESSES.items())
    return "\n".join([*lines, "", f"{meanings}.", "", ""])
