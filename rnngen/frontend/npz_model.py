"""Reading NumPy's ``.npz`` with a small mapping file, which says what each array is.

An ``.npz`` has arrays by name and no model, so a TOML file lists the layers in the order in which they run, and of
each layer the arrays by role:

    [[layer]]
    kind = "embedding"
    table = "enc_emb"                  # (symbols, size)

    [[layer]]
    kind = "gru"
    weight_ih = "enc_w_ih"
    weight_hh = "enc_w_hh"
    bias_ih = "enc_b_ih"
    bias_hh = "enc_b_hh"

    [[layer]]
    kind = "last"

The mapping of ``NAME.npz`` is ``NAME.toml`` beside it unless another is given.  Kinds, and the keys of each (those
in brackets may be left out); every kind also takes ``name``:

    lstm gru rnn_tanh rnn_relu
                   weight_ih (gates * H, I), weight_hh (gates * H, H), [bias_ih], [bias_hh] (gates * H,)
                   [bias] in place of these two: (gates * H,), added once, or (2, gates * H), bias_ih then bias_hh;
                   a GRU needs the second form, since its bias_hh stands inside the product with r
                   [weight_hr] (P, H), the projection of an LSTM; weight_hh is then (gates * H, P)
                   [h_0], [c_0]  a state to begin with
                   [order]  the gates as they lie in the arrays, if not PyTorch's "ifgo" or "rzn"; c is g, h is n:
                            Keras and TensorFlow "ifco" and "zrh", ONNX "iofc" and "zrh"
                   [transposed = true]  the weights are (I, gates * H), (H, gates * H), (H, P), as Keras keeps them
                   [reverse = true]  runs from a sequence's end to its start
                   [reset_after]  of a GRU: true, PyTorch's form; false is another network and refused
    bidirectional  forward and backward, each a table with kind and keys as above; backward runs in reverse
    linear         weight (outputs, inputs), [bias] (outputs,), [transposed = true]  weight is (inputs, outputs)
    embedding      table (symbols, size); the first layer
    affine         scale, shift, both (size,)
    batch_norm     mean, variance, [weight], [bias], all (size,), [eps = 1e-5]
    activation     function = "relu", "sigmoid", "tanh", "hardsigmoid" or "hardtanh", [low = -1.0], [high = 1.0]
    last           [final = true]  what each direction computed last (PyTorch's h_n), not the last step's output
    argmax         the last layer
"""

from __future__ import annotations

from pathlib import Path

from rnngen.errors import ModelError
from rnngen.frontend.chain import Chain
from rnngen.frontend.npz_format.arrays import NpzArrays
from rnngen.frontend.npz_format.layers import build_layers
from rnngen.frontend.npz_format.mapping import read_mapping
from rnngen.frontend.tensors import listing
from rnngen.ir.network import Network


def read_npz(path: Path, mapping: Path | None = None) -> Chain:
    """The layers that a mapping file lists, with float64 parameters from the arrays of an ``.npz``.

    Args:
        path: The ``.npz``; arrays of Python objects in it are never loaded.
        mapping: The TOML file described above; ``NAME.toml`` beside ``NAME.npz`` if omitted.

    Raises:
        ModelError: one sentence, if a file is missing or damaged, or the mapping does not fit the arrays.
    """
    title = f"Model '{path.name}'"
    arrays = NpzArrays(path, title)
    chosen = path.with_suffix(".toml") if mapping is None else mapping
    if mapping is None and not chosen.is_file():
        raise ModelError(
            f"{title} holds arrays ({listing(arrays.names)}) but does not say what they are; give a mapping file that "
            f"lists the layers, or put it beside as '{chosen.name}'."
        )
    layers = build_layers(read_mapping(chosen), arrays)
    Network("network", layers)
    unused = [name for name in arrays.names if name not in arrays.used]
    notes = (f"Arrays of the file that the mapping does not name: {listing(unused)}.",) if unused else ()
    return Chain(title, path.stem, path.name, "npz", layers, notes=notes)
