"""The tracer alone, without a framework: layouts, roles, what stays on the host, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.frontend.tracing import Constant, Host, Steps, Tracer, Value
from rnngen.ir.layers import (
    AffineLayer,
    EmbeddingLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)


def cell(inputs: int, hidden: int, reverse: bool = False, name: str = "rnn.l0") -> RecurrentLayer:
    rng = np.random.default_rng(inputs)
    return RecurrentLayer(
        name + "_reverse" * reverse,
        "gru",
        rng.normal(size=(3 * hidden, inputs)),
        rng.normal(size=(3 * hidden, hidden)),
        np.zeros(3 * hidden),
        np.zeros(3 * hidden),
        reverse=reverse,
    )


def stack(inputs: int = 5, hidden: int = 4, layers: int = 1, both: bool = False) -> list[list[RecurrentLayer]]:
    width = hidden * (1 + both)
    return [
        [
            cell(inputs if number == 0 else width, hidden, reverse, f"rnn.l{number}")
            for reverse in ((False, True) if both else (False,))
        ]
        for number in range(layers)
    ]


def tracer() -> Tracer:
    return Tracer("Model 'm'", "m", "m", "onnx")


def started(layers: list[list[RecurrentLayer]] | None = None) -> tuple[Tracer, Value, Value, Value]:
    """y, h_n and c_n of (B, T, 5), both free."""
    t = tracer()
    return (t, *t.recurrent("rnn", t.input(("B", "T", 5)), layers or stack(), 1))


def shapes(value: Value) -> tuple[int | str | None, ...]:
    assert isinstance(value, Steps)
    return value.shape


def layers_of(t: Tracer, value: Value) -> tuple[Layer, ...]:
    return t.finish([value]).layers


def test_shapes_are_those_of_pytorch() -> None:
    _, y, h, c = started(stack(layers=3, both=True))
    assert shapes(y) == ("B", "T", 8)
    assert shapes(h) == shapes(c) == (6, "B", 4)


def test_shapes_with_time_first_and_without_a_batch() -> None:
    t = tracer()
    y, h, _ = t.recurrent("rnn", t.input((7, 2, 5)), stack(both=True), 0)
    assert (shapes(y), shapes(h)) == ((7, 2, 8), (2, 2, 4))
    t = tracer()
    y, h, _ = t.recurrent("rnn", t.input(("T", 5)), stack(), 0)
    assert (shapes(y), shapes(h)) == (("T", 4), (1, 4))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("B", "T", 2, 4), ("B", "T", 2, 4)),
        ((0, 0, -1, 4), ("B", "T", 2, 4)),
        ((0, 0, 0), ("B", "T", 8)),
        (("B", 1, "T", 8), ("B", 1, "T", 8)),
        (("B", "T", 8, 1), ("B", "T", 8, 1)),
    ],
)
def test_reshapes_that_split_and_merge(shape: tuple[int | str, ...], expected: tuple[int | str, ...]) -> None:
    t, y, _, _ = started(stack(both=True))
    assert shapes(t.reshape("r", y, shape)) == expected


@pytest.mark.parametrize("shape", [("B", 8, "T"), (-1, 16), (3, -1), ("B", "T", 4, 2), ("B", "T"), ("B", "T", 16)])
def test_reshapes_that_mix_go_to_the_host(shape: tuple[int | str, ...]) -> None:
    t, y, _, _ = started(stack(both=True))
    value = t.reshape("r", y, shape)
    assert isinstance(value, Host)
    assert value.done[0].startswith(f"'r' (reshape) is computed on the host: it reshapes to {list(shape)}")


def test_layers_times_directions_split_in_two() -> None:
    t, _, h, _ = started(stack(layers=3, both=True))
    apart = t.reshape("r", h, (3, 2, "B", 4))
    assert shapes(apart) == (3, 2, "B", 4)
    top = t.select("s", t.select("s", apart, 0, -1), 0, 1)
    (first, second, third, step) = layers_of(t, top)
    assert isinstance(first, ParallelLayer)
    assert isinstance(second, ParallelLayer)
    assert isinstance(third, RecurrentLayer)
    assert third.reverse
    assert step == LastStepLayer("rnn.l2.final", 4, True)


def test_steps_and_sequences_merged_and_split_again() -> None:
    t, y, _, _ = started()
    flat = t.reshape("r", y, (-1, 4))
    assert shapes(flat) == (None, 4)
    back = t.reshape("r", t.linear("fc", flat, np.ones((3, 4))), ("B", "T", 3))
    assert shapes(back) == ("B", "T", 3)
    assert [layer.name for layer in layers_of(t, t.select("s", back, 1, -1))] == ["rnn.l0", "fc", "fc.last"]


def test_squeeze_keeps_longer_axes_and_drops_the_only_layer() -> None:
    t, y, h, _ = started()
    assert shapes(t.squeeze("s", y, [0])) == ("B", "T", 4)
    assert shapes(t.squeeze("s", h, [0])) == shapes(t.squeeze("s", h)) == ("B", 4)
    assert shapes(t.unsqueeze("u", h, -1)) == (1, "B", 4, 1)


def test_permute_refuses_what_is_no_order() -> None:
    t, y, _, _ = started()
    for order in ([0, 0, 1], [0, 1], [0, 1, 3]):
        assert isinstance(t.permute("p", y, order), Host)
    assert shapes(t.permute("p", y, [2, -3, 1])) == (4, "B", "T")


def test_slices() -> None:
    t, y, h, _ = started(stack(layers=2, both=True))
    assert t.slice("s", y, 1, 0, 1 << 62) is y
    assert shapes(t.slice("s", y, 1, -1, 1 << 62)) == ("B", 1, 8)
    assert shapes(t.slice("s", y, 2, 4, 8)) == ("B", "T", 4)
    assert shapes(t.slice("s", h, 0, -2, 9)) == (2, "B", 4)
    for start, stop, step in ((0, 3, 1), (2, 6, 1), (4, 4, 1), (0, 8, 2)):
        assert isinstance(t.slice("s", y, 2, start, stop, step), Host)
    assert isinstance(t.slice("s", y, 1, 2, 5), Host)
    assert isinstance(t.select("s", y, 1, 2), Host)
    with pytest.raises(ModelError, match="states of 2 layers together"):
        t.select("s", h, 0, 4)  # the accelerator cannot give out all of h_n for the host to choose from


def test_a_step_of_a_known_number() -> None:
    t = tracer()
    y, _, _ = t.recurrent("rnn", t.input((2, 7, 5)), stack(), 1)
    expected = layers_of(t, t.select("s", y, 1, -1))[1]
    assert expected == LastStepLayer("rnn.l0.last", 4)
    assert layers_of(t, t.select("s", y, 1, 6))[1] == expected
    assert layers_of(t, t.slice("s", y, 1, 6, 7))[1] == expected
    assert isinstance(t.select("s", y, 1, 0), Host)


def test_the_ends_of_both_directions_are_their_final_states() -> None:
    t, y, h, _ = started(stack(both=True))
    forward = t.select("s", t.slice("s", y, 2, 0, 4), 1, -1)
    for backward in (t.select("s", t.slice("s", y, 2, 4, 8), 1, 0), t.select("s", h, 0, 1)):
        assert layers_of(t, t.cat("c", [forward, backward], 1))[1] == LastStepLayer("rnn.l0.final", 8, True)
    backward = t.select("s", t.slice("s", y, 2, 4, 8), 1, -1)
    assert layers_of(t, t.cat("c", [forward, backward], 1))[1] == LastStepLayer("rnn.l0.last", 8, False)


def test_a_step_of_a_step() -> None:
    t, y, _, _ = started()
    one = t.slice("s", y, 1, -1, 1 << 62)
    assert shapes(t.select("s", one, 1, 0)) == ("B", 4)  # of length 1, whatever the number


def test_a_step_is_the_same_in_front_of_and_behind_a_layer() -> None:
    t, y, _, _ = started()
    before = layers_of(t, t.linear("fc", t.select("s", y, 1, -1), np.ones((2, 4))))
    behind = layers_of(t, t.select("s", t.linear("fc", y, np.ones((2, 4))), 1, -1))
    assert [type(layer) for layer in before] == [RecurrentLayer, LastStepLayer, LinearLayer]
    assert [type(layer) for layer in behind] == [RecurrentLayer, LinearLayer, LastStepLayer]
    assert isinstance(t.select("s", t.linear("fc", y, np.ones((2, 4))), 1, 0), Host)


def test_matmul_and_add_are_one_linear_layer() -> None:
    t, y, _, _ = started()
    bias = np.array([1.0, 2.0])
    value = t.arithmetic("add", "add", t.linear("fc", y, np.ones((2, 4))), Constant(bias))
    layer = layers_of(t, value)[-1]
    assert isinstance(layer, LinearLayer)
    np.testing.assert_array_equal(layer.bias, bias)
    value = t.arithmetic("add", "add", value, Constant(bias))
    assert isinstance(layers_of(t, value)[-1], AffineLayer)


@pytest.mark.parametrize(
    ("operation", "left", "scale", "shift"),
    [
        ("add", False, 1, 4),
        ("sub", False, 1, -4),
        ("sub", True, -1, 4),
        ("mul", True, 4, 0),
        ("div", False, 0.25, 0),
    ],
)
@pytest.mark.parametrize("constant", [np.array(4.0), np.full(4, 4.0), np.full((1, 1, 4), 4.0)])
def test_arithmetic(operation: str, left: bool, scale: float, shift: float, constant: Any) -> None:
    t, y, _, _ = started()
    pair = (Constant(constant), y) if left else (y, Constant(constant))
    layer = layers_of(t, t.arithmetic("a", operation, *pair))[-1]
    assert isinstance(layer, AffineLayer)
    np.testing.assert_array_equal(layer.scale, np.full(4, scale))
    np.testing.assert_array_equal(layer.shift, np.full(4, shift))


def test_arithmetic_that_the_host_does() -> None:
    t, y, _, _ = started()
    four, steps = Constant(np.full(4, 2.0)), Constant(np.full((7, 4), 2.0))
    assert isinstance(t.arithmetic("a", "div", four, y), Host)
    assert isinstance(t.arithmetic("a", "add", y, steps), Host)
    assert isinstance(t.arithmetic("a", "add", y, Constant(np.zeros((1, 1, 1, 1)))), Host)
    assert isinstance(t.arithmetic("a", "add", y, y), Host)


def test_element_wise_layers_at_the_input_get_their_size_from_the_first_other() -> None:
    t = tracer()
    x = t.activation("relu", t.arithmetic("half", "mul", t.input(("B", 5, "T")), Constant(np.array(0.5))), "relu")
    y, _, _ = t.recurrent("rnn", t.permute("p", x, [0, 2, 1]), stack(), 1)
    assert [layer.input_size for layer in layers_of(t, y)] == [5, 5, 5]


def test_batch_norm_is_affine() -> None:
    t = tracer()
    mean, variance, weight, bias = np.array([1.0, 2]), np.array([3.0, 8]), np.array([2.0, 3]), np.array([5.0, 7])
    x = t.batch_norm("bn", t.input(("B", 2, "T")), mean, variance, weight, bias, 1.0)
    y, _, _ = t.recurrent("rnn", t.permute("p", x, [0, 2, 1]), stack(2), 1)
    layer = layers_of(t, y)[0]
    assert isinstance(layer, AffineLayer)
    np.testing.assert_allclose(layer.scale, [1.0, 1.0])
    np.testing.assert_allclose(layer.shift, [4.0, 5.0])


def test_one_hot_is_the_identity_as_a_table() -> None:
    t = tracer()
    y, _, _ = t.recurrent("rnn", t.one_hot("code", t.input(("B", "T")), 5), stack(), 1)
    layer = layers_of(t, y)[0]
    assert isinstance(layer, EmbeddingLayer)
    np.testing.assert_array_equal(layer.table, np.eye(5))


def test_a_single_feature_may_have_no_axis() -> None:
    t = tracer()
    x = t.unsqueeze("u", t.input(("B", "T")), -1)
    y, _, _ = t.recurrent("rnn", x, stack(1), 1)
    y = t.squeeze("s", t.linear("fc", y, np.ones((1, 4))), [-1])
    assert shapes(y) == ("B", "T")
    assert len(layers_of(t, y)) == 2
    assert isinstance(t.arithmetic("a", "add", y, Constant(np.ones(7))), Host)


def test_hosts() -> None:
    t = tracer()
    x = t.shaped(t.unsupported("conv", "Conv", [t.input(("B", 2, 9))]), ("B", 5, 9))
    y, _, _ = t.recurrent("rnn", t.shaped(t.permute("p", x, [0, 2, 1]), ("B", 9, 5)), stack(), 1)
    z = t.softmax("soft", t.linear("fc", y, np.ones((3, 4))), 2)
    chain = t.finish([t.unsupported("mean", "ReduceMean", [z], "it goes over steps")])
    assert chain.host_before == ("'conv' (Conv) is computed on the host.", "'p' (permute) is computed on the host.")
    assert chain.host_after == (
        "'soft' (softmax) is computed on the host.",
        "'mean' (ReduceMean) is computed on the host: it goes over steps.",
    )
    assert [layer.name for layer in chain.layers] == ["rnn.l0", "fc"]


def test_what_the_host_does_twice_with_one_output_is_no_branch() -> None:
    t, y, _, _ = started()
    mean, top = t.unsupported("mean", "ReduceMean", [y]), t.unsupported("max", "ReduceMax", [y])
    chain = t.finish([t.cat("cat", [mean, top], 1)])
    assert [sentence.split(" ")[0] for sentence in chain.host_after] == ["'mean'", "'max'", "'cat'"]


def test_argmax_drops_a_softmax_in_front_of_it_only_along_the_features() -> None:
    t, y, _, _ = started()
    assert isinstance(t.argmax("arg", t.softmax("soft", y, -1), -1), Steps)
    assert isinstance(t.argmax("arg", t.softmax("soft", y, 1), -1), Host)
    assert isinstance(t.argmax("arg", t.softmax("soft", y, -1), 1), Host)
    assert isinstance(t.argmax("arg", y, 0), Host)
    assert shapes(t.argmax("arg", y, -1)) == ("B", "T")
    assert shapes(t.argmax("arg", y, -1, keep=True)) == ("B", "T", 1)


def test_notes_are_said_once() -> None:
    t, y, h, c = started()
    for _ in range(2):
        t.identity(y, "'drop' is a dropout, which does nothing at inference.")
    chain = t.finish([y, h, t.select("s", c, 0, 0)])
    assert chain.notes == (
        "'drop' is a dropout, which does nothing at inference.",
        "The final states that the model returns beside its output are read over the control port.",
    )


def test_a_cell_of_one_step() -> None:
    t = tracer()
    h = t.step("cell", t.input(("B", 5)), cell(5, 4, name="cell"))
    chain = t.finish([t.linear("fc", h, np.ones((2, 4))), h], [h])
    assert [layer.name for layer in chain.layers] == ["cell", "fc"]
    assert chain.notes == ("Each call of the model is one step; the accelerator keeps the state.",)


# Refusals


def two_axes(t: Tracer) -> None:
    y, _, _ = t.recurrent("one", t.input(("B", "T", 5)), stack(), 1)
    t.recurrent("two", y, stack(4), 0)


def features_as_steps(t: Tracer) -> None:
    x = t.linear("fc", t.input(("B", "T", 5)), np.ones((5, 5)))
    t.recurrent("rnn", t.permute("p", x, [0, 2, 1]), stack(), 1)


def input_twice(t: Tracer) -> None:
    x = t.input(("B", 5, 5))
    t.linear("fc", x, np.ones((5, 5)))
    t.recurrent("rnn", t.permute("p", x, [0, 2, 1]), stack(), 1)


def branches(t: Tracer) -> None:
    x = t.input(("B", "T", 5))
    t.cat("cat", [t.recurrent("one", x, stack(), 1)[0], t.recurrent("two", x, stack(), 1)[0]], -1)


def mixed_steps(t: Tracer) -> None:
    y, _, _ = t.recurrent("rnn", t.input(("B", "T", 5)), stack(both=True), 1)
    t.finish([t.cat("c", [t.select("s", t.slice("s", y, 2, 0, 4), 1, -1), t.select("s", y, 1, -1)], 1)])


def first_and_final(t: Tracer) -> None:
    y, h, _ = t.recurrent("rnn", t.input(("B", "T", 5)), stack(both=True), 1)
    backward = t.slice("s", y, 2, 4, 8)
    t.finish([t.cat("c", [t.select("s", backward, 1, -1), t.select("s", h, 0, 1)], 1)])


def last_and_final(t: Tracer) -> None:
    y, _, _ = t.recurrent("rnn", t.input(("B", "T", 5)), stack(both=True), 1)
    t.finish([t.cat("c", [t.select("s", y, 1, -1), t.select("s", t.slice("s", y, 2, 4, 8), 1, 0)], 1)])


REFUSALS: dict[str, tuple[Callable[[Tracer], Any], str]] = {
    "two time axes": (
        two_axes,
        "'two' takes as steps an axis that another layer takes as sequences; check batch_first.",
    ),
    "features as steps": (
        features_as_steps,
        "'rnn' must take a sequence of shape (steps, features), with or without a batch axis.",
    ),
    "one axis as two things": (
        input_twice,
        "'rnn' takes as steps an axis that another layer takes as features; check batch_first.",
    ),
    "branches": (
        branches,
        "'cat' (cat) joins branches of the network; only a chain of layers is supported, so use a model whose layers "
        "follow one another.",
    ),
    "a direction twice": (mixed_steps, "'rnn' gives out the same direction twice; take each once."),
    "two steps of a direction": (first_and_final, "'rnn' gives out the same direction twice; take each once."),
    "three pieces": (last_and_final, "'rnn' gives out the same direction twice; take each once."),
    "another size": (
        lambda t: t.recurrent("rnn", t.input(("B", "T", 6)), stack(), 1),
        "'rnn' takes 5 features but gets 6; check the model's sizes.",
    ),
    "a free number of features": (
        lambda t: t.finish([t.linear("fc", t.input(("B", "F")), np.ones((2, 4)))]),
        "'forward' gives nothing that a supported recurrent layer computed ('fc' (linear) is computed on the host: the "
        "number of features of its input is not fixed); LSTM, GRU and RNN layers are supported.",
    ),
    "four axes": (
        lambda t: t.recurrent("rnn", t.input((2, 3, 4, 5)), stack(), 1),
        "'rnn' must take a sequence of shape (steps, features), with or without a batch axis.",
    ),
    "an unknown shape": (
        lambda t: t.recurrent("rnn", t.unsupported("conv", "Conv", [t.input((2, 3, 5))]), stack(), 1),
        "'rnn' (recurrent layer) takes a tensor of unknown shape; save the model with its shapes.",
    ),
    "constants alone": (
        lambda t: t.linear("fc", Constant(np.ones((1, 4))), np.ones((2, 4))),
        "'fc' (linear) computes with constants alone, not with the model's input.",
    ),
    "a cell behind the host": (
        lambda t: t.step(
            "cell", t.unsupported("mean", "Mean", [t.recurrent("rnn", t.input((2, 7, 5)), stack(), 1)[0]]), cell(4, 4)
        ),
        "'cell' is a recurrent cell behind what stays on the host ('mean' (Mean) is computed on the host).",
    ),
    "an embedding behind": (
        lambda t: t.embedding("emb", t.activation("relu", t.input((2, 7)), "relu"), np.ones((4, 2))),
        "'emb' is an embedding behind other layers; it must be the first, on the model's input.",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name: str) -> None:
    action, sentence = REFUSALS[name]
    with pytest.raises(ModelError) as caught:
        action(tracer())
    assert str(caught.value) == f"Model 'm': {sentence}"
