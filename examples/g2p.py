"""English words to phonemes: the two GRUs of the package g2p_en, around which this is all the host has to do.

``pip install --no-deps g2p_en==2.1.0``; only its ``checkpoint20.npz`` and its list of words are read.

    python examples/g2p.py verilog accelerator          in float64
    python examples/g2p.py --weights 8                  both as accelerators, on the words of ``words()``

A word is read letter by letter by an encoder (embedding 29 x 256, GRU 256); from its last state a decoder (embedding
74 x 256, GRU 256, Linear to 74 scores) is fed the phoneme it gave last, beginning with ``<s>``, until it gives
``</s>`` or 20 phonemes (greedy decoding).  What encodes and what decodes are two callables, so that the float networks
here and an accelerator are used alike:

    encode(symbols) -> state                  all letters of a word in, the state after the last out
    decode(state) -> step; step(symbol) -> scores   begins with a state, then one phoneme in, 74 scores out

Of ``words()``, 597, the accelerators speak all as the float networks do with weights of 16 bits, and 586 with 8 bits.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rnngen.emit.design import Design, write_design
from rnngen.emulate.network import StepEmulator, run_values
from rnngen.errors import DataError, RnngenError, ToolError
from rnngen.flow import SimulationReport, simulate
from rnngen.frontend.npz_model import read_npz
from rnngen.ir.network import Network, RecurrentLayer
from rnngen.ir.quantised import GruFormats, QuantisedNetwork, with_states
from rnngen.ir.reference import run_layer, run_layers
from rnngen.passes.quantise import quantise
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes

FloatArray: TypeAlias = npt.NDArray[np.float64]
Encode: TypeAlias = Callable[[Sequence[int]], FloatArray]
Step: TypeAlias = Callable[[int], FloatArray]
Decode: TypeAlias = Callable[[FloatArray], Step]

LETTERS = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
_SOUNDS = """
AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2
F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z
ZH
"""
PHONEMES = ("<pad>", "<unk>", "<s>", "</s>", *_SOUNDS.split())
BEGIN, END = PHONEMES.index("<s>"), PHONEMES.index("</s>")
MOST_PHONEMES = 20

FIELD = """
accelerator activation adder address affine algorithm amaranth analog analyzer antenna arbiter argmax arithmetic array
asynchronous average backpropagation bandwidth barrel baseline batch benchmark bidirectional binary bitstream
bottleneck buffer calibration capacitor carry channel checkpoint checksum circuit clamp clock codec coefficient
comparator compiler compression computer conformance constraint converter convolution coprocessor correlation counter
crossbar crystal cycle datapath decimal decoder delay derivative determinant device digest digital dimension diode
distillation divider dropout dynamic electron embedding emulator encoder entropy epoch estimate exponent factorize
feedback fidelity filter firmware flash floorplan forget formula forward fraction frequency function gate gateware
generator gradient granularity handshake hardware heartbeat hexadecimal histogram hypothesis identity impedance
inference infinity inductor integer interface interleave interrupt interval inverter iteration kernel keyboard language
latency latch lattice layer linear logarithm logic loopback macro mantissa matrix memory microphone modulation
multiplexer multiplier network neuron nibble nonlinear normalization nyquist opcode operand optimizer oscillator
overflow oxide packet parallel parameter parity partition payload perceptron permutation phoneme photon piecewise
pipeline placement polynomial precision probability processor product projection protocol pruning quantization
quantum queue radix random receiver recurrent redundancy register regression replay reset residual resistor resonance
rounding router sampling saturation scheduler scheme segment semaphore sensor sequence serial sigmoid signal silicon
simulator sinusoid software sparse spectrum speaker speech stream subtraction symbol synthesis systolic tangent tensor
threshold throughput timing token topology transceiver transform transistor transmitter transpose truncation unary
underflow utterance validation variance vector verification verilog voltage waveform weight wireless workload zero
"""
"""Words of this project's field."""


@dataclass(frozen=True)
class Spoken:
    """A word's pronunciation.

    Attributes:
        phonemes: For instance ``V EH1 R AH0 L AA2 G``, as a tuple.
        margin: The least lead that a chosen phoneme had over the second best: small where two networks may differ.
    """

    phonemes: tuple[str, ...]
    margin: float


def _package() -> Path:
    spec = importlib.util.find_spec("g2p_en")  # importing it would need nltk
    if spec is None or spec.origin is None:
        raise ToolError("This needs g2p_en, which is not installed; run 'pip install --no-deps g2p_en==2.1.0'.")
    return Path(spec.origin).parent


def checkpoint() -> Path:
    """The arrays of both networks."""
    return _package() / "checkpoint20.npz"


def mapping(part: str) -> Path:
    """The mapping file of ``encoder`` or ``decoder``."""
    return Path(__file__).parent / f"g2p_{part}.toml"


def words() -> tuple[str, ...]:
    """More than 500 English words: those of g2p_en that are spoken in two ways, and those of our field."""
    lines = (_package() / "homographs.en").read_text(encoding="utf-8").splitlines()
    heads = (line.split("|")[0].lower() for line in lines if not line.startswith("#"))
    return tuple(sorted({word for word in heads if word.isascii() and word.isalpha()} | set(FIELD.split())))


def symbols(word: str) -> tuple[int, ...]:
    """The letters of a word as the encoder takes them, its end included; other characters are ``<unk>``.

    Raises:
        DataError: if the word is empty or has upper-case letters, which the networks do not know.
    """
    if not word or word != word.lower():
        raise DataError(f"A word must be lower-case letters, not '{word}'.")
    known = {letter: number for number, letter in enumerate(LETTERS)}
    return (*(known.get(letter, known["<unk>"]) for letter in word), known["</s>"])


def speak(word: str, encode: Encode, decode: Decode) -> Spoken:
    """The phonemes of a word, greedily decoded."""
    step = decode(encode(symbols(word)))
    chosen: list[int] = []
    margin, symbol = float("inf"), BEGIN
    while len(chosen) < MOST_PHONEMES:
        scores = step(symbol)
        symbol = int(np.argmax(scores))
        second, first = np.sort(scores)[-2:]
        margin = min(margin, float(first - second))
        if symbol == END:
            break
        chosen.append(symbol)
    return Spoken(tuple(PHONEMES[symbol] for symbol in chosen), margin)


def float_networks() -> tuple[Network, Network]:
    """Encoder and decoder as rnngen imports them."""
    chains = [read_npz(checkpoint(), mapping(part)) for part in ("encoder", "decoder")]
    encoder, decoder = (Network(f"g2p_{part}", chain.layers) for part, chain in zip(("encoder", "decoder"), chains))
    return encoder, decoder


def float_callables() -> tuple[Encode, Decode]:
    """``encode`` and ``decode`` in float64."""
    encoder, decoder = float_networks()
    table, gru, head = decoder.layers
    if not isinstance(gru, RecurrentLayer):
        raise DataError(f"The decoder's second layer must be a GRU, not {type(gru).__name__}; check the mapping file.")
    cell = gru

    def encode(letters: Sequence[int]) -> FloatArray:
        state: FloatArray = run_layers(encoder, np.array(letters, dtype=np.float64)[None, :, None])[-1][0, 0]
        return state

    def decode(state: FloatArray) -> Step:
        def step(symbol: int) -> FloatArray:
            nonlocal state
            output = run_layer(replace(cell, h_0=state), run_layer(table, np.full((1, 1, 1), float(symbol))))
            state = output[0, 0]
            scores: FloatArray = run_layer(head, output)[0, 0]
            return scores

        return step

    return encode, decode


def _one_behind_the_other(sequences: Sequence[Sequence[int]]) -> FloatArray:
    """Calibration input (sequences, longest, 1): each sequence, filled up with those behind it."""
    longest = max(map(len, sequences))
    rows = []
    for first in range(len(sequences)):
        row: list[int] = []
        while len(row) < longest:
            row += sequences[first]
            first = (first + 1) % len(sequences)
        rows.append(row[:longest])
    return np.array(rows, dtype=np.float64)[:, :, None]


def _fed(phonemes: Sequence[str]) -> tuple[int, ...]:
    """What a decoder is fed that chooses these phonemes."""
    return (BEGIN, *(PHONEMES.index(phoneme) for phoneme in phonemes))


def speak_all(encode: Encode, decode: Decode) -> dict[str, Spoken]:
    """All of ``words()``."""
    return {word: speak(word, encode, decode) for word in words()}


def quantised_networks(
    spoken: Mapping[str, Spoken], weight_bits: int, activation_bits: int = 16
) -> tuple[QuantisedNetwork, QuantisedNetwork]:
    """Encoder and decoder in integers, calibrated on words and on how the float networks speak them."""
    encoder, decoder = float_networks()
    letters = _one_behind_the_other([symbols(word) for word in spoken])
    phonemes = _one_behind_the_other([_fed(one.phonemes) for one in spoken.values()])
    return (
        quantise(encoder, weight_bits, activation_bits, letters),
        quantise(decoder, weight_bits, activation_bits, phonemes),
    )


def begun(decoder: QuantisedNetwork, state: FloatArray) -> QuantisedNetwork:
    """The decoder with sequences that begin with a state: h as it is multiplied, and as the units remember it."""
    formats = decoder.layers[0].formats
    if not isinstance(formats, GruFormats):
        raise DataError(f"The decoder must begin with a GRU, not with a layer of kind '{formats.kind}'.")
    return with_states(decoder, {0: {"h": formats.h.quantise(state), "state": formats.state.quantise(state)}})


def emulated_callables(encoder: QuantisedNetwork, decoder: QuantisedNetwork) -> tuple[Encode, Decode]:
    """``encode`` and ``decode`` in the accelerators' own integers; between them goes what the encoder's port gives."""

    def encode(letters: Sequence[int]) -> FloatArray:
        output = run_values(encoder, np.array(letters, dtype=np.float64)[None, :, None]).output
        return encoder.output_format.to_float(output[0, 0])

    def decode(state: FloatArray) -> Step:
        emulator = StepEmulator(begun(decoder, state))
        emulator.begin()

        def step(symbol: int) -> FloatArray:
            scores = emulator.step(np.array([[symbol]]))
            assert scores is not None  # the decoder gives scores at every step
            return decoder.output_format.to_float(scores[0])

        return step

    return encode, decode


def simulate_word(
    word: str, quantised: tuple[QuantisedNetwork, QuantisedNetwork], folder: Path, multipliers: int = 192
) -> tuple[tuple[str, ...], tuple[SimulationReport, SimulationReport]]:
    """Speak a word through both circuits, each in a folder of its own below ``folder``.

    The encoder's circuit reads the word twice, so that it can be seen how soon the second follows the first.  The
    decoder's circuit begins with the state that the encoder's gave, and is fed the phonemes that its emulator
    chooses; the phonemes returned are those of its own scores.
    """
    networks = float_networks()
    encoded = simulate(
        _design(folder / "encoder", networks[0], quantised[0], multipliers), np.array([symbols(word)] * 2)
    )
    if encoded.output is None:
        raise DataError(f"The encoder's circuit gave no state for '{word}'.")
    state = encoded.output[0, 0]
    table, gru, head = networks[1].layers
    assert isinstance(gru, RecurrentLayer)
    float_decoder = replace(networks[1], layers=(table, replace(gru, h_0=state), head))
    _, decode = emulated_callables(*quantised)
    chosen = speak(word, lambda _: state, decode).phonemes
    design = _design(folder / "decoder", float_decoder, begun(quantised[1], state), multipliers)
    decoded = simulate(design, np.array([_fed(chosen)]))
    scores = np.zeros((0, len(PHONEMES))) if decoded.output is None else decoded.output[0]
    numbers = [int(number) for number in scores.argmax(axis=1)]
    return tuple(PHONEMES[number] for number in numbers if number != END), (encoded, decoded)


def planned(quantised: QuantisedNetwork, multipliers: int) -> NetworkPlan:
    """The circuit's plan for a budget of multipliers."""
    return plan_for_budget(block_shapes(quantised), Budget(multipliers))


def _design(folder: Path, network: Network, quantised: QuantisedNetwork, multipliers: int) -> Design:
    return write_design(
        folder, network, quantised, planned(quantised, multipliers), top=network.name, clock_hz=100_000_000, board=None,
        calibration="English words",
    )  # fmt: skip


def differing(weight_bits: int, spoken: Mapping[str, Spoken]) -> dict[str, Spoken]:
    """The words that the emulated accelerators speak in another way than the float networks, ``spoken``."""
    emulated = speak_all(*emulated_callables(*quantised_networks(spoken, weight_bits)))
    return {word: one for word, one in emulated.items() if one.phonemes != spoken[word].phonemes}


def _compare(weight_bits: int) -> None:
    spoken = speak_all(*float_callables())
    others = differing(weight_bits, spoken)
    print(f"{len(spoken) - len(others)} of {len(spoken)} words as the float networks speak them.")
    for word, one in others.items():
        right = spoken[word]
        print(f"{word}: {' '.join(one.phonemes)}, not {' '.join(right.phonemes)} (margin {right.margin:.3g})")


def main(arguments: Sequence[str]) -> int:
    """Speak words, or compare the accelerators with the float networks."""
    parser = argparse.ArgumentParser(description="English words to phonemes.")
    parser.add_argument("words", nargs="*", help="words in lower-case letters")
    parser.add_argument("--weights", type=int, metavar="BITS", help="compare accelerators with weights of so many bits")
    options = parser.parse_args(arguments)
    try:
        if options.weights is not None:
            _compare(options.weights)
        encode, decode = float_callables()
        for word in options.words:
            print(word, *speak(word, encode, decode).phonemes)
    except RnngenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
