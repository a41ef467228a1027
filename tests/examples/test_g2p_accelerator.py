"""g2p_en's encoder and decoder as accelerators: all words emulated, one through both circuits."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from examples import g2p
from rnngen.errors import DataError
from rnngen.ir.quantised import QuantisedNetwork

VERILOG = ("V", "EH1", "R", "AH0", "L", "AA2", "G")

DIFFERING = {
    16: set(),
    8: {
        "backpropagation", "commune", "conglomerate", "conglomerates", "essay", "exports", "insets", "intimate",
        "processes", "regression", "uplift",
    },
}  # fmt: skip
"""Words that the accelerators speak in another way than the float networks, by bits of a weight."""


@pytest.fixture(scope="module")
def spoken() -> dict[str, g2p.Spoken]:
    return g2p.speak_all(*g2p.float_callables())


@pytest.fixture(scope="module")
def quantised(spoken: dict[str, g2p.Spoken]) -> tuple[QuantisedNetwork, QuantisedNetwork]:
    return g2p.quantised_networks(spoken, 16)


@pytest.mark.parametrize("weight_bits", DIFFERING)
def test_words_as_the_float_networks_speak_them(spoken: dict[str, g2p.Spoken], weight_bits: int) -> None:
    others = g2p.differing(weight_bits, spoken)
    assert len(spoken) - len(others) >= 500
    assert set(others) == DIFFERING[weight_bits]
    assert all(spoken[word].margin < 0.16 for word in others)  # of scores that reach beyond 20


def test_the_state_between_them_is_what_the_port_gives(quantised: tuple[QuantisedNetwork, QuantisedNetwork]) -> None:
    encode, _ = g2p.emulated_callables(*quantised)
    state = encode(g2p.symbols("verilog"))
    float_state = g2p.float_callables()[0](g2p.symbols("verilog"))
    assert np.abs(state - float_state).max() < 1e-3
    first = g2p.begun(quantised[1], state).layers[0]
    formats = first.formats
    assert first.h_0 is not None
    assert first.state_0 is not None
    assert np.array_equal(first.h_0 * 2.0**-formats.h.fraction, state)
    assert np.array_equal(first.state_0 * 2.0**-formats.state.fraction, state)


def test_decoding_depends_on_the_state(quantised: tuple[QuantisedNetwork, QuantisedNetwork]) -> None:
    """A decoder that began with zeros would say the same for all words."""
    encode, decode = g2p.emulated_callables(*quantised)
    assert g2p.speak("verilog", encode, decode).phonemes == VERILOG
    assert g2p.speak("verilog", lambda _: np.zeros(256), decode).phonemes != VERILOG


def test_a_decoder_of_another_kind(quantised: tuple[QuantisedNetwork, QuantisedNetwork]) -> None:
    decoder = quantised[1]
    head = QuantisedNetwork("head", decoder.layers[1:], decoder.blocks[1:], 16, 16)
    sentence = "The decoder must begin with a GRU, not with a layer of kind 'linear'."
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        g2p.begun(head, np.zeros(256))


def test_a_circuit_that_gives_nothing(
    tmp_path: Path, quantised: tuple[QuantisedNetwork, QuantisedNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(g2p, "simulate", lambda _design, _x: SimpleNamespace(output=None))
    with pytest.raises(DataError, match=r"^The encoder's circuit gave no state for 'verilog'\.$"):
        g2p.simulate_word("verilog", quantised, tmp_path)


def test_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(g2p, "words", lambda: ("regression", "verilog"))
    assert g2p.main(["--weights", "8", "verilog"]) == 0
    assert capsys.readouterr().out == (
        "1 of 2 words as the float networks speak them.\n"
        "regression: R AH0 G R EH1 SH AH0 N, not R IH0 G R EH1 SH AH0 N (margin 0.000293)\n"
        "verilog V EH1 R AH0 L AA2 G\n"
    )


@pytest.mark.verilator
def test_verilog_in_verilog(tmp_path: Path, quantised: tuple[QuantisedNetwork, QuantisedNetwork]) -> None:
    phonemes, (encoded, decoded) = g2p.simulate_word("verilog", quantised, tmp_path)
    assert phonemes == VERILOG
    assert encoded.comparison.cycle_exact  # bits, too
    assert decoded.comparison.cycle_exact
    assert encoded.figures["step_interval_cycles"] == 3 * 256 * 256 / 192  # the bound: the table costs no product
    assert encoded.figures["multiplier_utilisation"] == 1.0
    assert decoded.figures["steps"] == len(VERILOG) + 1
    assert decoded.figures["step_interval_cycles"] == g2p.planned(quantised[1], 192).interval
    assert decoded.figures["float_sqnr_db"] > 70
