"""A network nobody here trained: g2p_en's letters to phonemes, held to PyTorch and to the package's own equations."""

import importlib.util
import re

import numpy as np
import pytest
import torch

from examples import g2p
from rnngen.errors import DataError, ToolError
from rnngen.frontend.npz_model import read_npz
from rnngen.ir.layers import LastStepLayer
from rnngen.ir.network import Network

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def arrays():
    with np.load(g2p.checkpoint()) as file:
        return dict(file)


@pytest.fixture(scope="module")
def callables():
    return g2p.float_callables()


def own_phonemes(arrays, word):
    """The package's greedy decoding, in its own float32."""

    def cell(x, h, part):
        w_ih, w_hh, b_ih, b_hh = (arrays[f"{part}_{name}"] for name in ("w_ih", "w_hh", "b_ih", "b_hh"))
        from_x, from_h = w_ih @ x + b_ih, w_hh @ h + b_hh
        size = len(h)
        r = 1 / (1 + np.exp(-(from_x[:size] + from_h[:size])))
        z = 1 / (1 + np.exp(-(from_x[size : 2 * size] + from_h[size : 2 * size])))
        n = np.tanh(from_x[2 * size :] + r * from_h[2 * size :])
        return (1 - z) * n + z * h

    h = np.zeros(256, np.float32)
    for symbol in [g2p.LETTERS.index(letter) if letter.isalpha() else 1 for letter in word] + [2]:
        h = cell(arrays["enc_emb"][symbol], h, "enc")
    symbol, chosen = 2, []
    for _ in range(20):
        h = cell(arrays["dec_emb"][symbol], h, "dec")
        symbol = int((arrays["fc_w"] @ h + arrays["fc_b"]).argmax())
        if symbol == 3:
            break
        chosen.append(g2p.PHONEMES[symbol])
    return tuple(chosen)


def test_verilog(callables):
    assert " ".join(g2p.speak("verilog", *callables).phonemes) == "V EH1 R AH0 L AA2 G"


def test_all_words_as_the_package_speaks_them(arrays, callables):
    words = g2p.words()
    assert len(words) >= 500
    spoken = {word: g2p.speak(word, *callables) for word in words}
    assert {word: one.phonemes for word, one in spoken.items()} == {word: own_phonemes(arrays, word) for word in words}
    assert min(one.margin for one in spoken.values()) > 1e-4  # far above float32's error: no word is a matter of luck


def gru(arrays, part, module):
    names = {"weight_ih": "w_ih", "weight_hh": "w_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}
    suffix = "_l0" if isinstance(module, torch.nn.GRU) else ""
    module.load_state_dict({f"{k}{suffix}": torch.from_numpy(arrays[f"{part}_{v}"]) for k, v in names.items()})
    return module.double()


def test_networks_equal_pytorch(arrays, callables):
    encode, decode = callables
    letters = g2p.symbols("accelerator")
    encoder = gru(arrays, "enc", torch.nn.GRU(256, 256, batch_first=True))
    with torch.no_grad():
        state = encoder(torch.from_numpy(arrays["enc_emb"][list(letters)]).double()[None])[1][0, 0]
        assert np.abs(encode(letters) - state.numpy()).max() < 1e-12
        decoder, step = gru(arrays, "dec", torch.nn.GRUCell(256, 256)), decode(state.numpy())
        for symbol in (2, 10, 40, 5):
            state = decoder(torch.from_numpy(arrays["dec_emb"][symbol]).double(), state)
            scores = torch.from_numpy(arrays["fc_w"]).double() @ state + torch.from_numpy(arrays["fc_b"]).double()
            assert np.abs(step(symbol) - scores.numpy()).max() < 1e-12


def test_decoding_begins_anew(callables):
    _, decode = callables
    first, second = decode(np.zeros(256)), decode(np.zeros(256))
    first(2)
    assert np.array_equal(second(2), decode(np.zeros(256))(2))
    assert not np.array_equal(first(2), second(5))


def test_chains():
    chain = read_npz(g2p.checkpoint(), g2p.mapping("encoder"))
    assert [(layer.name, layer.input_size, layer.output_size) for layer in chain.layers] == [
        ("enc_emb", 1, 256),
        ("enc", 256, 256),
        ("enc_last", 256, 256),
    ]
    assert chain.notes[0].startswith("Arrays of the file that the mapping does not name: 'dec_emb', ")
    encoder, decoder = g2p.float_networks()
    assert (encoder.symbols, decoder.symbols, decoder.output_size) == (29, 74, 74)


def test_symbols():
    assert g2p.symbols("az'") == (3, 28, 1, 2)
    for word in ("", "Verilog"):
        sentence = f"A word must be lower-case letters, not '{word}'."
        with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
            g2p.symbols(word)


def test_mapping_of_another_network(monkeypatch):
    encoder, decoder = g2p.float_networks()
    table, _, head = decoder.layers
    other = Network("other", (table, LastStepLayer("last", 256), head))
    monkeypatch.setattr(g2p, "float_networks", lambda: (encoder, other))
    sentence = "The decoder's second layer must be a GRU, not LastStepLayer; check the mapping file."
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        g2p.float_callables()


def test_longest_word(callables):
    """Twenty phonemes at most."""
    encode, _ = callables
    never = g2p.speak("a", encode, lambda _state: lambda _symbol: np.eye(74)[7])
    assert len(never.phonemes) == g2p.MOST_PHONEMES
    assert never.margin == 1.0


def test_command(capsys, monkeypatch):
    assert g2p.main(["verilog"]) == 0
    assert capsys.readouterr().out == "verilog V EH1 R AH0 L AA2 G\n"
    assert g2p.main(["Verilog"]) == 2
    assert capsys.readouterr().err == "error: A word must be lower-case letters, not 'Verilog'.\n"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ToolError, match=r"^This needs g2p_en, which is not installed; run 'pip install --no-deps g2"):
        g2p.words()
