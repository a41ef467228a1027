"""Everything that cannot be imported is refused in one sentence of its own, by load and by inspect alike."""

import re

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.frontend import inspect, load


def without(state, *names):
    return {name: array for name, array in state.items() if name not in names}


def refused(path, message, select=None):
    """Load refuses with the message, and inspect gives the same sentence as the reason."""
    with pytest.raises(ModelError, match=message) as caught:
        load(path, select)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    summaries = [layer for layer in inspect(path, select).layers if layer.recurrent]
    assert [layer.reason for layer in summaries if not layer.supported] == [sentence]


@pytest.mark.parametrize("suffix", ["", "_l0"])
@pytest.mark.parametrize("gates, title, kind", [(3, "GRU", "gru"), (1, "plain RNN", "rnn")])
def test_other_cells(arrays, save, suffix, gates, title, kind):
    path = save(arrays(3, 4, "enc.", suffix, gates=gates))
    refused(
        path,
        rf"^Layer 'enc' is a {title}, which is not supported; the unidirectional LSTM without projection is, "
        r"so select an LSTM, or train the model with nn\.LSTM in its place\.$",
    )
    assert inspect(path).layers[0].kind == kind


def test_bidirectional(arrays, save):
    path = save({**arrays(3, 4, "enc."), **arrays(3, 4, "enc.", "_l0_reverse")})
    refused(path, r"^Layer 'enc' is bidirectional, which is not supported; .* so train it with bidirectional=False\.$")
    (layer,) = inspect(path).layers
    assert (layer.kind, layer.bidirectional, layer.output_size) == ("lstm", True, 8)


def test_projection(save):
    state = {
        "weight_ih_l0": np.zeros((16, 3), np.float32),
        "weight_hh_l0": np.zeros((16, 2), np.float32),
        "weight_hr_l0": np.zeros((2, 4), np.float32),
    }
    path = save(state)
    refused(path, r"^Layer '\.' has a projection, which is not supported; .* so train it with proj_size=0\.$")
    (layer,) = inspect(path).layers
    assert (layer.kind, layer.proj_size, layer.output_size) == ("lstm", 2, 2)


def test_unknown_cell(arrays, save):
    refused(
        save(arrays(3, 4, "x.", gates=2)),
        r"^Parameter 'x\.weight_hh_l0' has the shape \(8, 4\), which is no known cell: for a hidden size of 4 the rows "
        r"must be 16 \(LSTM\), 12 \(GRU\), 4 \(plain RNN\); the unidirectional LSTM without projection is supported\.$",
    )


def test_nothing_recurrent(save):
    with pytest.raises(ModelError, match=r"^Model 'm\.safetensors' holds no recurrent layer: .* it has 'a', 'b'\.$"):
        load(save({"a": np.zeros(1, np.float32), "b": np.zeros(1, np.float32)}, "m"))


def test_empty_file_of_tensors(save):
    with pytest.raises(ModelError, match=r"holds no recurrent layer: .* it has none\.$"):
        load(save({}))


def test_long_listings_are_cut(save):
    with pytest.raises(ModelError, match=r"it has 't0', 't1', 't2', 't3', 't4', 't5' and 2 more\.$"):
        load(save({f"t{number}": np.zeros(1, np.float32) for number in range(8)}))


def test_several_without_select(arrays, save):
    path = save({**arrays(3, 4, "a."), **arrays(3, 4, "b.c.")})
    message = (
        r"^Model 'm\.safetensors' holds 2 recurrent layers \('a', 'b\.c'\); choose one by its name \(--select\)\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(path.rename(path.with_name("m.safetensors")))


@pytest.mark.parametrize("call", [load, inspect])
def test_select_matches_nothing(arrays, save, call):
    path = save({**arrays(3, 4, "a."), **arrays(3, 4, "b.c.")}, "m")
    message = r"^Selection 'b\.cd' matches no recurrent layer of m\.safetensors; there are: 'a', 'b\.c'\.$"
    with pytest.raises(ModelError, match=message):
        call(path, "b.cd")


def test_select_is_ambiguous(arrays, save):
    path = save({**arrays(3, 4, "b.a."), **arrays(3, 4, "b.c.")})
    message = r"^Selection 'b' holds 2 recurrent layers \('b\.a', 'b\.c'\); choose one by its full name\.$"
    with pytest.raises(ModelError, match=message):
        load(path, "b")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(arrays, save, value):
    state = arrays(3, 4, "lstm.")
    state["lstm.weight_hh_l0"][5, 2] = state["lstm.weight_hh_l0"][6, 0] = value
    refused(
        save(state),
        rf"^Parameter 'lstm\.weight_hh_l0' holds {value} at \[5, 2\] \(2 of its 64 values are not finite\); "
        r"all must be finite, so repair the checkpoint or take an earlier one\.$",
    )


@pytest.mark.parametrize("missing, present", [("hh", "ih"), ("ih", "hh")])
@pytest.mark.parametrize("root", ["weight", "bias"])
def test_missing_half(arrays, save, root, missing, present):
    refused(
        save(without(arrays(3, 4, "a."), f"a.{root}_{missing}_l0")),
        rf"^Layer 'a' has 'a\.{root}_{present}_l0' but no {root}_{missing} to go with it; "
        r"both halves are needed, so save the complete state dict\.$",
    )


def test_both_weights_missing(arrays, save):
    state = without(arrays(3, 4, "a."), "a.weight_ih_l0", "a.weight_hh_l0")
    refused(save(state), r"^Layer 'a' has parameters of layer 0 but no weight_ih to go with it; ")


def test_missing_half_in_the_reverse_direction(arrays, save):
    state = {**arrays(3, 4), **without(arrays(3, 4, suffix="_l0_reverse"), "bias_hh_l0_reverse")}
    refused(save(state), r"^Layer '\.' has 'bias_ih_l0_reverse' but no bias_hh to go with it; ")


def test_biases_in_some_layers_only(arrays, save):
    second = without(arrays(4, 4, suffix="_l1"), "bias_ih_l1", "bias_hh_l1")
    refused(
        save({**arrays(3, 4), **second}),
        r"^Layer '\.' has biases in layer 0 but none in layer 1; all layers must have them or none, "
        r"so save the complete state dict\.$",
    )


@pytest.mark.parametrize("numbers, missing", [((0, 2), 1), ((1,), 0), ((0, 1, 3), 2)])
def test_gap_in_layer_numbers(arrays, save, numbers, missing):
    state = {}
    for number in numbers:
        state |= arrays(4, 4, "a.", f"_l{number}")
    refused(
        save(state),
        rf"^Layer 'a' has the layer numbers {re.escape(str(list(numbers)))} but no layer {missing}; "
        r"layers must be numbered from 0 without a gap, so save the complete state dict\.$",
    )


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "bool"])
def test_integer_parameters(arrays, save, dtype):
    state = arrays(3, 4, "a.")
    state["a.weight_ih_l0"] = state["a.weight_ih_l0"].astype(dtype)
    refused(
        save(state),
        rf"^Parameter 'a\.weight_ih_l0' has the type {dtype}, which is not one of float16, bfloat16, float32, float64; "
        r"rnngen quantises the network itself, so give it the floating-point parameters\.$",
    )


def test_same_parameter_twice(arrays, save):
    state = {**arrays(3, 4, "a."), "a.w_ih": np.zeros((16, 3), np.float32)}
    refused(
        save(state),
        r"^Layer 'a' has the same parameter twice, as 'a\.w_ih' and as 'a\.weight_ih_l0'; keep one of them\.$",
    )


@pytest.mark.parametrize(
    "name",
    ["a.weight_hh_l0_orig", "a.weight_hh_l0_v", "a.weight_hh_l0_raw", "a.parametrizations.weight_hh_l0.original0"],
)
def test_weights_in_another_form(arrays, save, name):
    state = without(arrays(3, 4, "a."), "a.weight_hh_l0") | {name: np.zeros((16, 4), np.float32)}
    refused(
        save(state),
        rf"^Layer 'a' has its weights in another form \('{re.escape(name)}': weight norm, pruning or another "
        r"parametrisation\); remove the parametrisation before saving, which leaves plain weights\.$",
    )


def test_all_weights_in_another_form(save):
    path = save({"parametrizations.weight_hh_l0.original": np.zeros((16, 4), np.float32)})
    refused(path, r"^Layer '\.' has its weights in another form")
    assert inspect(path).layers[0].shapes == (("parametrizations.weight_hh_l0.original", (16, 4)),)


@pytest.mark.parametrize(
    "name, shape, dimensions",
    [
        ("weight_ih_l0", (16, 3, 1), "2 dimensions"),
        ("weight_hh_l0", (16,), "2 dimensions"),
        ("weight_ih_l0", (16, 0), "2 dimensions"),
        ("bias_ih_l0", (16, 1), "1 dimension"),
    ],
)
def test_wrong_dimensions(arrays, save, name, shape, dimensions):
    refused(
        save(arrays(3, 4) | {name: np.zeros(shape, np.float32)}),
        rf"^Parameter '{name}' must have {dimensions} of at least 1, not the shape {re.escape(str(shape))}; "
        r"save the complete state dict of the layer\.$",
    )


@pytest.mark.parametrize(
    "name, shape, message",
    [
        ("weight_ih_l0", (12, 3), r"weight_ih must have 16 rows \(4 gates x hidden size 4\), not shape \(12, 3\)"),
        ("bias_ih_l0", (12,), r"bias_ih must have shape \(16,\), not \(12,\)"),
        ("bias_hh_l0", (4,), r"bias_hh must have shape \(16,\), not \(4,\)"),
    ],
)
def test_wrong_rows(arrays, save, name, shape, message):
    refused(save(arrays(3, 4) | {name: np.zeros(shape, np.float32)}), rf"^Layer 'l0': {message}\.$")


def test_second_layer_of_another_hidden_size(arrays, save):
    state = {**arrays(3, 4), **arrays(4, 5, suffix="_l1"), "weight_hh_l1": np.zeros((12, 4), np.float32)}
    refused(
        save(state), r"^Layer 'l1': weight_ih must have 16 rows \(4 gates x hidden size 4\), not shape \(20, 4\)\.$"
    )


def test_layers_that_do_not_fit(arrays, save):
    state = {**arrays(3, 4, "a."), **arrays(5, 4, "a.", "_l1")}
    refused(save(state), r"^Layer 'a\.l1' takes 5 inputs but 'a\.l0' before it gives 4\.$")


@pytest.mark.parametrize(
    "head, message",
    [
        ("fx", r"^Head 'fx' is not in model\.safetensors; Linear layers here: 'fc', 'wide'\.$"),
        (
            "conv",
            r"^Head 'conv' must be a Linear layer \(a 2-D weight\), but it has a weight of shape \(2, 4, 1\); "
            r"Linear layers here: 'fc', 'wide'\.$",
        ),
        ("lstm", r"^Head 'lstm' must be a Linear layer \(a 2-D weight\), but it has no weight of its own; "),
        (".", r"^Head '\.' must be a Linear layer \(a 2-D weight\), but it has no weight of its own; "),
        (
            "wide",
            r"^Head 'wide' takes 9 inputs but 'lstm\.l0' before it gives 4; choose a Linear layer with 4 inputs "
            r"\(there are: 'fc'\)\.$",
        ),
    ],
)
def test_head(arrays, save, head, message):
    shapes = {"fc.weight": (2, 4), "fc.bias": (2,), "wide.weight": (2, 9), "wide.bias": (2,), "conv.weight": (2, 4, 1)}
    path = save({**arrays(3, 4, "lstm."), **{name: np.zeros(shape, np.float32) for name, shape in shapes.items()}})
    with pytest.raises(ModelError, match=message):
        load(path, head=head)


def test_inspect_refuses_an_unknown_head(arrays, save):
    with pytest.raises(ModelError, match=r"^Head 'fc' is not in model\.safetensors; Linear layers here: none\.$"):
        inspect(save(arrays(3, 4)), head="fc")


@pytest.mark.parametrize(
    "weight, bias, message",
    [
        (
            np.zeros((2, 4), np.float32),
            np.zeros(3, np.float32),
            r"^Layer 'fc': bias must have shape \(2,\), not \(3,\)",
        ),
        (
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            r"^Parameter 'fc\.weight' must have 2 dimensions of at",
        ),
        (np.zeros((2, 4), np.int8), np.zeros(2, np.float32), r"^Parameter 'fc\.weight' has the type int8, "),
        (np.zeros((2, 4), np.float32), np.full(2, np.nan, np.float32), r"^Parameter 'fc\.bias' holds nan at \[0\] "),
    ],
)
def test_unsound_head(arrays, save, weight, bias, message):
    path = save({**arrays(3, 4, "lstm."), "fc.weight": weight, "fc.bias": bias})
    with pytest.raises(ModelError, match=message) as caught:
        load(path, head="fc")
    (_, summary) = inspect(path).layers
    assert (summary.supported, summary.reason) == (False, str(caught.value))


@pytest.mark.parametrize(
    "name, message",
    [
        ("2fast", r"^Name of the network must be a Verilog identifier of 1\.\.64 letters, .* not '2fast'\.$"),
        ("", r"must be a Verilog identifier of 1\.\.64 letters, .* not ''\.$"),
        ("a b", r"must be a Verilog identifier of 1\.\.64 letters, .* not 'a b'\.$"),
        ("a" * 65, r"must be a Verilog identifier of 1\.\.64 letters"),
        ("module", r"^Name of the network must not be the reserved Verilog word 'module'; choose another\.$"),
        ("rnn_top", r"^Name of the network must not begin with 'rnn_' \(rnngen's own modules do\), not 'rnn_top'\.$"),
    ],
)
def test_name(arrays, save, name, message):
    with pytest.raises(ModelError, match=message):
        load(save(arrays(3, 4)), name=name)
