"""Everything that cannot be imported is refused in one sentence of its own, by load and by inspect alike."""

import re

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.frontend import inspect, load


def without(state, *names):
    return {name: array for name, array in state.items() if name not in names}


def refused(path, message, **choices):
    """Load refuses with the message, and inspect gives the same sentence as the reason."""
    with pytest.raises(ModelError, match=message) as caught:
        load(path, **choices)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    summary = inspect(path, **choices)
    assert (summary.supported, summary.reason, summary.chain) == (False, sentence, ())
    summaries = [layer for layer in summary.layers if layer.recurrent]
    assert [layer.reason for layer in summaries if not layer.supported] == [sentence]


@pytest.mark.parametrize("suffix", ["", "_l0"])
def test_a_plain_rnn_does_not_tell_its_nonlinearity(arrays, save, suffix):
    path = save(arrays(3, 4, "enc.", suffix, gates=1))
    refused(
        path,
        r"^Layer 'enc' is a plain RNN, whose parameters do not tell its nonlinearity; "
        r"give --nonlinearity tanh or --nonlinearity relu, as it was trained\.$",
    )
    assert inspect(path).layers[0].kind == "rnn"
    assert inspect(path, nonlinearity="relu").supported


@pytest.mark.parametrize("gates, title", [(4, "LSTM"), (3, "GRU")])
def test_only_a_plain_rnn_has_a_choice_of_nonlinearity(arrays, save, gates, title):
    path = save(arrays(3, 4, "enc.", gates=gates))
    message = (
        rf"^--nonlinearity is for plain RNNs, but layer 'enc' is of {title} cells; leave the option out\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(path, nonlinearity="tanh")
    assert inspect(path, nonlinearity="tanh").reason.startswith("--nonlinearity is for plain RNNs, ")


def both(arrays, inputs=3, prefix="", number=0, **options):
    """Parameters of both directions of a layer."""
    return {
        **arrays(inputs, 4, prefix, f"_l{number}", **options),
        **arrays(inputs, 4, prefix, f"_l{number}_reverse", **options),
    }


def test_reverse_direction_alone(arrays, save):
    path = save(arrays(3, 4, "a.", "_l0_reverse"))
    refused(path, r"^Layer 'a' has the reverse direction alone; save the complete state dict\.$")


@pytest.mark.parametrize(
    "second, message",
    [
        ("_l1", "a reverse direction in layer 0 but none in layer 1"),
        ("_l1_reverse", "a forward direction in layer 0 but none in layer 1"),
    ],
)
def test_both_directions_in_some_layers_only(arrays, save, second, message):
    refused(
        save({**both(arrays, prefix="a."), **arrays(8, 4, "a.", second)}),
        rf"^Layer 'a' has {message}; all layers must have them or none, so save the complete state dict\.$",
    )


def test_biases_in_one_direction_only(arrays, save):
    state = without(both(arrays), "bias_ih_l0_reverse", "bias_hh_l0_reverse")
    refused(save(state), r"^Layer '\.' has biases in layer 0 but none in layer 0 in reverse; all layers must have ")


def test_projection_in_some_layers_only(arrays, save):
    state = {**arrays(3, 4), **arrays(4, 4, suffix="_l1"), "weight_hr_l0": np.zeros((4, 4), np.float32)}
    refused(save(state), r"^Layer '\.' has a projection in layer 0 but none in layer 1; all layers must have them or ")


def test_projection_with_a_bias(arrays, save):
    state = arrays(3, 4, "a.") | {"a.weight_hr_l0": np.zeros((4, 4), np.float32), "a.bias_hr_l0": np.zeros(4)}
    refused(
        save(state),
        r"^Layer 'a' has 'a\.bias_hr_l0', but the projection of an LSTM has no bias; "
        r"a projection with a bias is a Linear layer of its own, so save it as one\.$",
    )


def test_projection_of_a_gru(arrays, save):
    state = arrays(3, 4, gates=3) | {"weight_hr_l0": np.zeros((4, 4), np.float32)}
    refused(save(state), r"^Layer 'l0': only an LSTM can have a projection, not 'gru'\.$")


def test_directions_of_different_cells(arrays, save):
    state = {**arrays(3, 4), **arrays(3, 4, suffix="_l0_reverse", gates=3)}
    message = r"^Layer 'l0_reverse': weight_ih must have 16 rows \(4 gates x hidden size 4\), not shape \(12, 3\)\.$"
    refused(save(state), message)


@pytest.mark.parametrize("direction", ["forward", "backward", "forward+last", "backward+final"])
def test_one_direction_of_one(arrays, save, direction):
    path = save(arrays(3, 4))
    message = (
        rf"^--output {re.escape(direction)} needs a bidirectional layer, but 'l0' has one direction; "
        r"give sequence, last or final\.$"
    )
    with pytest.raises(ModelError, match=message) as caught:
        load(path, output=direction)
    assert inspect(path, output=direction).reason == str(caught.value)


def test_unknown_cell(arrays, save):
    refused(
        save(arrays(3, 4, "x.", gates=2)),
        r"^Parameter 'x\.weight_hh_l0' has the shape \(8, 4\), which is no known cell: for a hidden size of 4 the rows "
        r"must be 16 \(LSTM\), 12 \(GRU\), 4 \(plain RNN\)\.$",
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
        call(path, select="b.cd")


def test_select_is_ambiguous(arrays, save):
    path = save({**arrays(3, 4, "b.a."), **arrays(3, 4, "b.c.")})
    message = r"^Selection 'b' holds 2 recurrent layers \('b\.a', 'b\.c'\); choose one by its full name\.$"
    with pytest.raises(ModelError, match=message):
        load(path, select="b")


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
            r"^Head 'conv' must be a Linear layer \(a 2-D weight\) or a batch norm \(running_mean and running_var\), "
            r"but it has a weight of shape \(2, 4, 1\); Linear layers here: 'fc', 'wide'\.$",
        ),
        ("lstm", r"^Head 'lstm' must be a Linear layer .* but it has no weight of its own; "),
        (".", r"^Head '\.' must be a Linear layer .* but it has no weight of its own; "),
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


def norm(size=4, prefix="bn.", **others):
    names = ("weight", "bias", "running_mean", "running_var")
    return {f"{prefix}{name}": np.ones(size, np.float32) for name in names} | others


def test_heads_list_batch_norms_too(arrays, save):
    path = save({**arrays(3, 4), **norm()})
    with pytest.raises(ModelError, match=r"^Head 'fc' is not in model\.safetensors; Linear layers here: none, batch n"):
        load(path, head="fc")


@pytest.mark.parametrize(
    "head, state, message",
    [
        (
            "bn",
            norm(5),
            r"^Head 'bn' takes 5 inputs but 'l0' before it gives 4; "
            r"a batch norm must have as many features as the layer before it\.$",
        ),
        (
            "bn",
            norm(**{"bn.running_var": np.array([1, 2, -3, 4], np.float32)}),
            r"^Parameter 'bn\.running_var' holds -3\.0 at \[2\], which with eps 1e-05 gives no positive variance; "
            r"repair the checkpoint, or give the eps it was trained with\.$",
        ),
        ("bn:eps=0", norm(**{"bn.running_var": np.zeros(4)}), r"^Parameter 'bn\.running_var' holds 0\.0 at \[0\], w"),
        (
            "bn",
            norm(**{"bn.weight": np.ones(3)}),
            r"^Parameter 'bn\.weight' must have 1 dimension and the size of 'bn\.running_mean' \(4,\), "
            r"not the shape \(3,\); save the complete state dict of the layer\.$",
        ),
        ("bn", norm(()), r"^Parameter 'bn\.running_mean' must have 1 dimension and the size of "),
        ("bn", norm(**{"bn.bias": np.array([0, 0, np.nan, 0])}), r"^Parameter 'bn\.bias' holds nan at \[2\] "),
        (
            "fc:eps=1e-3",
            {"fc.weight": np.ones((2, 4)), "fc.bias": np.ones(2)},
            r"^Head 'fc' is a Linear layer, which has no eps; leave it out\.$",
        ),
        (
            ":argmax:relu",
            {},
            r"^Layer 'l0\.argmax' is an argmax and must be the last, not before 'l0\.argmax\.relu'\.$",
        ),
        (
            "ln",
            {"ln.weight": np.ones(4), "ln.bias": np.ones(4)},
            r"^Head 'ln' must be a Linear layer \(a 2-D weight\) or a batch norm \(running_mean and running_var\), "
            r"but it has a weight of shape \(4,\) and a bias; Linear layers here: none\.$",
        ),
    ],
)
def test_heads_of_other_kinds(arrays, save, head, state, message):
    path = save({**arrays(3, 4), **state})
    with pytest.raises(ModelError, match=message) as caught:
        load(path, head=head)
    if head == "ln":
        with pytest.raises(ModelError, match=message):
            inspect(path, head=head)
    else:
        assert inspect(path, head=head).reason == str(caught.value)


@pytest.mark.parametrize(
    "embedding, message",
    [
        ("emb", r"^Embedding 'emb' is not in model\.safetensors; embeddings here: 'table'\.$"),
        (
            "fc",
            r"^Embedding 'fc' must have a 2-D weight and no bias, but it has a weight of shape \(2, 4\) and a bias; "
            r"embeddings here: 'table'\.$",
        ),
        ("table", r"^Layer 'lstm\.l0' takes 3 inputs but 'table' before it gives 5\.$"),
    ],
)
def test_embedding(arrays, save, embedding, message):
    state = {"fc.weight": np.ones((2, 4)), "fc.bias": np.ones(2), "table.weight": np.ones((9, 5))}
    path = save({**arrays(3, 4, "lstm."), **state})
    with pytest.raises(ModelError, match=message) as caught:
        load(path, embedding=embedding)
    if embedding == "table":
        assert inspect(path, embedding=embedding).reason == str(caught.value)
    else:
        with pytest.raises(ModelError, match=message):
            inspect(path, embedding=embedding)


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
