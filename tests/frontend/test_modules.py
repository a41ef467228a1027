"""Live modules: the same as their state dict, and what only a module can tell."""

import numpy as np
import pytest
import torch
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

from rnngen.errors import ModelError
from rnngen.frontend import inspect, load


class Tagger(torch.nn.Module):
    """Embedding, LSTM, cell and heads, as larger models have them."""

    def __init__(self, **options):
        super().__init__()
        self.embedding = torch.nn.Embedding(9, 4)
        self.lstm = torch.nn.LSTM(3, 4, **options)
        self.cell = torch.nn.LSTMCell(4, 4)
        self.plain = torch.nn.Linear(4, 2, bias=False)
        self.fc = torch.nn.Linear(4, 2)


def test_larger_model():
    model = Tagger(num_layers=2)
    network = load(model, select="lstm", head="plain")
    assert (network.name, network.source) == ("tagger", "torch.nn.Module Tagger")
    assert [layer.name for layer in network.layers] == ["lstm.l0", "lstm.l1", "plain"]
    assert np.array_equal(network.layers[2].weight, model.plain.weight.detach().double().numpy())
    assert load(model, select="cell", head="fc").layers[0].name == "cell"
    summary = inspect(model, select="cell", head="fc")
    assert (summary.selected, summary.head, summary.supported) == ("cell", ("fc",), True)
    assert [(layer.name, layer.kind) for layer in summary.layers] == [
        ("lstm", "lstm"),
        ("cell", "lstm"),
        ("embedding", "embedding"),
        ("plain", "linear"),
        ("fc", "linear"),
    ]


def test_later_training_does_not_change_the_network():
    model = torch.nn.LSTM(3, 4).double()
    network = load(model)
    before = network.layers[0].weight_ih.copy()
    with torch.no_grad():
        model.weight_ih_l0.zero_()
    assert np.array_equal(network.layers[0].weight_ih, before)


def test_embedding_is_no_head():
    message = (
        r"^Head 'embedding' must be a Linear layer \(a 2-D weight\) or a batch norm \(running_mean and running_var\), "
        r"but it has a weight of shape \(9, 4\) and is of the kind 'embedding'; Linear layers here: 'plain', 'fc'\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(Tagger(), select="lstm", head="embedding")


@pytest.mark.parametrize(
    "module, message",
    [
        (weight_norm(torch.nn.LSTM(3, 4), "weight_hh_l0"), r"^Layer '\.' has its weights in another form \('param"),
        (torch.nn.Linear(3, 4), r"^Module Linear holds no recurrent layer: no parameter is named like "),
    ],
)
def test_refused_modules(module, message):
    with pytest.raises(ModelError, match=message):
        load(module, select=".")


def test_module_of_another_kind_than_its_shapes():
    gru = torch.nn.GRU(3, 4)
    gru.weight_ih_l0 = torch.nn.Parameter(torch.zeros(16, 3))
    gru.weight_hh_l0 = torch.nn.Parameter(torch.zeros(16, 4))
    message = (
        r"^Layer '\.' has the parameters of LSTM cells but its module is of the kind 'gru'; "
        r"its shapes must be those of its module\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(gru)


@pytest.mark.parametrize("model, kind", [(3, "int"), ({}, "dict"), (None, "NoneType")])
def test_not_a_model(model, kind):
    with pytest.raises(ModelError, match=rf"^Model must be a file path or a torch\.nn\.Module, not a {kind}\.$"):
        load(model)


def test_batch_first_and_dropout_make_no_difference():
    torch.manual_seed(0)
    plain = torch.nn.LSTM(3, 4, num_layers=2)
    other = torch.nn.LSTM(3, 4, num_layers=2, dropout=0.5, batch_first=True)
    other.load_state_dict(plain.state_dict())
    assert np.array_equal(load(plain).layers[1].weight_hh, load(other).layers[1].weight_hh)


@pytest.mark.filterwarnings("ignore")  # PyTorch announces that it will remove quantised tensors
def test_quantised_module():
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4))
    message = (
        r"^Module Sequential holds no floating-point recurrent layer but quantised modules \('0'.*\); "
        r"rnngen quantises the network itself, so give it the model before quantisation\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(torch.ao.quantization.quantize_dynamic(model, {torch.nn.LSTM}), select=".")


def test_pruned_module():
    lstm = torch.nn.LSTM(3, 4)
    prune.l1_unstructured(lstm, "weight_hh_l0", 0.5)
    with pytest.raises(ModelError, match=r"^Layer '\.' has its weights in another form \('weight_hh_l0_orig': "):
        load(lstm, select=".")
    prune.remove(lstm, "weight_hh_l0")
    assert np.count_nonzero(load(lstm).layers[0].weight_hh) == 32


@pytest.mark.filterwarnings("ignore")  # PyTorch calls TorchScript deprecated
def test_scripted_module():
    lstm = torch.nn.LSTM(3, 4)
    assert np.array_equal(load(torch.jit.script(lstm), select=".").layers[0].weight_ih, load(lstm).layers[0].weight_ih)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_module_tells_its_nonlinearity(nonlinearity):
    model = torch.nn.Sequential(torch.nn.RNN(3, 4, nonlinearity=nonlinearity))
    assert load(model, select="0").layers[0].cell == f"rnn_{nonlinearity}"
    assert load(torch.nn.RNNCell(3, 4, nonlinearity=nonlinearity)).layers[0].cell == f"rnn_{nonlinearity}"
    message = (
        rf"^--nonlinearity is for state dicts; the module of layer '0' says it itself \({nonlinearity}\), "
        r"so leave the option out\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(model, select="0", nonlinearity="tanh")


def test_a_module_tells_its_eps():
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4), torch.nn.BatchNorm1d(4, eps=0.5))
    message = r"^Head '1': eps is for state dicts; the module says it itself \(0\.5\), so leave it out\.$"
    with pytest.raises(ModelError, match=message):
        load(model, select="0", head="1:eps=0.1")


def test_dropout_is_told():
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4, num_layers=2, dropout=0.5))
    notes = ("The dropout of 0.5 between the layers of '0' acts in training alone.",)
    assert inspect(model, select="0").notes == notes
    assert inspect(model[0]).notes == ("The dropout of 0.5 between the layers of '.' acts in training alone.",)


class Odd(torch.nn.LSTM):
    def forward(self, x, state=None):
        return super().forward(-x, state)


class Clipped(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x).clamp(0, 1)


def hooked():
    model = torch.nn.Sequential(torch.nn.GRU(3, 4))
    model[0].register_forward_hook(lambda module, inputs, output: (output[0] * 2, output[1]))
    return model


PLAIN = (
    r"which its parameters do not show; give the model without --select, so that its own forward decides\.$"
)


@pytest.mark.parametrize(
    "model, choices, message",
    [
        (Odd(3, 4), {"select": "."}, rf"^Layer '\.' is a subclass \(Odd\) with a forward of its own, {PLAIN}"),
        (hooked(), {"select": "0"}, rf"^Layer '0' has a forward hook, {PLAIN}"),
        (
            torch.nn.Sequential(torch.nn.LSTM(3, 4), Clipped(4, 2)),
            {"select": "0", "head": "1"},
            rf"^Layer '1' is a subclass \(Clipped\) with a forward of its own, {PLAIN}",
        ),
        (
            torch.nn.Sequential(torch.nn.Embedding(9, 3, max_norm=2.0), torch.nn.LSTM(3, 4)),
            {"select": "1", "embedding": "0"},
            rf"^Layer '0' has max_norm=2\.0, {PLAIN}",
        ),
    ],
)
def test_modules_that_compute_something_else(model, choices, message):
    with pytest.raises(ModelError, match=message) as caught:
        load(model, **choices)
    assert inspect(model, **choices).reason == str(caught.value)


def test_a_batch_norm_without_statistics_is_no_head():
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4), torch.nn.BatchNorm1d(4, track_running_stats=False))
    message = (
        r"^Head '1' must be a Linear layer .* but it has a weight of shape \(4,\) and a bias and is of the kind "
        r"'batchnorm'; Linear layers here: none\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(model, select="0", head="1")


def test_a_subclass_that_computes_the_same():
    class Named(torch.nn.LSTM):
        pass

    assert load(Named(3, 4)).layers[0].cell == "lstm"


def test_a_linear_layer_is_no_embedding():
    message = (
        r"^Embedding 'plain' must have a 2-D weight and no bias, but it has a weight of shape \(2, 4\) and is of the "
        r"kind 'linear'; embeddings here: 'embedding'\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(Tagger(), select="cell", embedding="plain")
    assert load(Tagger(), select="cell", embedding="embedding").symbols == 9
