"""The official node tests for LSTM, GRU and RNN of the onnx package: every one passes or is refused by name."""

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.frontend.onnx_model import read_onnx_model
from tests.frontend.onnx_cases import run_chain

PASSED = [
    ("test_lstm_defaults", "Y_h"),
    ("test_lstm_with_initial_bias", "Y_h"),
    ("test_lstm_batchwise", "Y"),
    ("test_lstm_batchwise", "Y_h"),
    ("test_lstm_reverse", "Y_h"),
    ("test_lstm_bidirectional", "Y_h"),
    ("test_simple_rnn_defaults", "Y_h"),
    ("test_simple_rnn_with_initial_bias", "Y_h"),
    ("test_rnn_seq_length", "Y_h"),
    ("test_simple_rnn_batchwise", "Y"),
    ("test_simple_rnn_batchwise", "Y_h"),
    ("test_simple_rnn_reverse", "Y_h"),
    ("test_simple_rnn_bidirectional", "Y_h"),
]
"""Case and output."""

_RESET = (
    " (GRU) multiplies h by the reset gate before the product with R (linear_before_reset=0), which is another "
    "network than PyTorch's; only linear_before_reset=1 is supported, so train the model in that form."
)
_STATE = " gives out the cell state c_n, which the accelerator keeps inside; only h_n and the output can be taken."
_LENGTHS = (
    " (LSTM) is given sequence_lens, which is not supported; export the model without it, and end each sequence at "
    "the accelerator's input."
)

REFUSED = {
    ("test_gru_defaults", "Y_h"): "Model 'test_gru_defaults': 'Y_h'" + _RESET,
    ("test_gru_with_initial_bias", "Y_h"): "Model 'test_gru_with_initial_bias': 'Y_h'" + _RESET,
    ("test_gru_seq_length", "Y_h"): "Model 'test_gru_seq_length': 'Y_h'" + _RESET,
    ("test_gru_batchwise", "Y"): "Model 'test_gru_batchwise': 'Y'" + _RESET,
    ("test_gru_batchwise", "Y_h"): "Model 'test_gru_batchwise': 'Y'" + _RESET,
    ("test_gru_reverse", "Y"): "Model 'test_gru_reverse': 'Y'" + _RESET,
    ("test_gru_reverse", "Y_h"): "Model 'test_gru_reverse': 'Y'" + _RESET,
    ("test_gru_bidirectional", "Y"): "Model 'test_gru_bidirectional': 'Y'" + _RESET,
    ("test_gru_bidirectional", "Y_h"): "Model 'test_gru_bidirectional': 'Y'" + _RESET,
    ("test_lstm_with_peepholes", "Y_h"): "Model 'test_lstm_with_peepholes': 'Y_h'" + _LENGTHS,
    ("test_lstm_reverse", "Y_c"): "Model 'test_lstm_reverse': 'Y_h'" + _STATE,
    ("test_lstm_bidirectional", "Y_c"): "Model 'test_lstm_bidirectional': 'Y_h'" + _STATE,
}
"""Case and output, and the sentence."""


@pytest.fixture(scope="module")
def cases():
    from onnx.backend.test.case import node
    from onnx.backend.test.case.node import gru, lstm, rnn

    assert all((gru, lstm, rnn))  # importing them makes their cases
    return {
        case.name: case
        for case in node._NodeTestCases
        if case.model is not None and {"LSTM", "GRU", "RNN"} & {part.op_type for part in case.model.graph.node}
    }


def _read(case, output):
    """The chain, with all inputs but X bound as constants."""
    inputs, _ = case.data_sets[0]
    names = [entry.name for entry in case.model.graph.input]
    constants = {name: array for name, array in zip(names, inputs) if name != "X"}
    return read_onnx_model(case.model, constants, output=output)


def test_every_case_of_the_package_is_listed(cases):
    there = [(name, entry.name) for name, case in cases.items() for entry in case.model.graph.output]
    assert sorted(there) == sorted([*PASSED, *REFUSED])


@pytest.mark.parametrize(("name", "output"), PASSED)
def test_passes(cases, name, output):
    case = cases[name]
    inputs, outputs = case.data_sets[0]
    (node,) = case.model.graph.node
    layout = next((attribute.i for attribute in node.attribute if attribute.name == "layout"), 0)
    x = inputs[0] if layout else inputs[0].swapaxes(0, 1)
    expected = outputs[[entry.name for entry in case.model.graph.output].index(output)]
    if output == "Y":  # (B, T, D, H) from there or (T, D, B, H)
        expected = expected if layout else expected.transpose(2, 0, 1, 3)
    else:  # one step: (B, 1, D, H)
        expected = (expected if layout else expected.swapaxes(0, 1))[:, None]
    expected = expected.reshape(*expected.shape[:2], -1)
    result = run_chain(_read(case, output), x)
    assert result.shape == expected.shape
    assert np.all(np.abs(result - expected) <= 1e-6 * np.maximum(1.0, np.abs(expected)))


@pytest.mark.parametrize(("name", "output"), REFUSED)
def test_is_refused_by_name(cases, name, output):
    with pytest.raises(ModelError) as error:
        _read(cases[name], output)
    assert str(error.value) == REFUSED[name, output]


def test_peepholes_alone_are_refused(cases):
    case = cases["test_lstm_with_peepholes"]
    model = type(case.model)()
    model.CopyFrom(case.model)
    model.graph.node[0].input[4] = ""
    inputs, _ = case.data_sets[0]
    constants = {entry.name: array for entry, array in zip(model.graph.input, inputs) if entry.name != "X"}
    with pytest.raises(ModelError) as error:
        read_onnx_model(model, constants, output="Y_h")
    assert str(error.value) == (
        "Model 'test_lstm_with_peepholes': 'Y_h' (LSTM) has peephole weights P that are not zero, which are not "
        "supported; train and export the model without peepholes."
    )
    constants["P"] = np.zeros_like(constants["P"])
    assert len(read_onnx_model(model, constants, output="Y_h").layers) == 1  # one step: Y_h is the only output
