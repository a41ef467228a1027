"""Every sentence with which a ``.keras`` file is refused, and that no damage gives anything but a sentence."""

import json
import random
import re
import sys
import zipfile

import h5py
import numpy as np
import pytest

from rnngen.errors import ModelError, ToolError
from rnngen.frontend import archive as archive_module
from rnngen.frontend.keras_format.graph import _snake_case
from rnngen.frontend.keras_format.weights import Weights
from rnngen.frontend.keras_model import read_keras
from tests.frontend.keras_cases.files import CASES, config_of, layer_of, sequential, write_case, write_h5, write_keras

AGAIN = "save it again with model.save('NAME.keras') of Keras 3."
CHAIN = (
    "supported is one input, one output, and each layer called once with the output of the one before, so save the "
    "part of the model that is a chain."
)
SUPPORTED = (
    "Activation, ActivityRegularization, AlphaDropout, BatchNormalization, Bidirectional, Dense, Dropout, Embedding, "
    "GRU, GaussianDropout, GaussianNoise, Identity, LSTM, Masking, Normalization, ReLU, Rescaling, SimpleRNN, Softmax, "
    "SpatialDropout1D, TimeDistributed"
)
CLAIM = "rnngen quantises the network itself, so save the model before quantisation."


def refused(path, sentence):
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        read_keras(path)


def changed(tmp_path, name, change):
    """The file of a case whose config.json was changed."""
    config = config_of(name)
    change(config)
    return write_keras(tmp_path / "model.keras", config, write_h5(CASES[name]["h5"]))


SETTINGS = [
    (
        "GRU last step",
        {"reset_after": False},
        "Layer 'gru' (GRU) has reset_after=False, which is another network (r multiplies h before the product, not "
        "after) and is not supported; train it with reset_after=True.",
    ),
    (
        "LSTM last step",
        {"activation": "relu"},
        "Layer 'lstm' (LSTM) has the activation relu, which is not supported; tanh is.",
    ),
    (
        "GRU last step",
        {"recurrent_activation": "hard_sigmoid"},
        "Layer 'gru' (GRU) has the recurrent activation hard_sigmoid, which is not supported; sigmoid is.",
    ),
    (
        "LSTM last step",
        {"activation": {"class_name": "function", "config": "mine", "registered_name": "pack>mine"}},
        "Layer 'lstm' (LSTM) has the activation custom pack>mine, which is not supported; tanh is.",
    ),
    (
        "SimpleRNN last step",
        {"activation": "sigmoid"},
        "Layer 'simple_rnn' (SimpleRNN) has the activation sigmoid, which is not supported; tanh and relu are.",
    ),
    (
        "LSTM backwards",
        {"return_sequences": True},
        "Layer 'lstm' (LSTM) has go_backwards=True and return_sequences=True, which gives its outputs in reverse "
        "order and is not supported; use Bidirectional, or return_sequences=False.",
    ),
    (
        "LSTM last step",
        {"stateful": True},
        "Layer 'lstm' (LSTM) is stateful and does not give its outputs step by step in their order, which is not "
        "supported; a stateful layer must have return_sequences=True and run forwards.",
    ),
    (
        "LSTM last step",
        {"units": 0},
        "Layer 'lstm' (LSTM): 'units' must be at least 1, not 0.",
    ),
    (
        "LSTM last step",
        {"units": "four"},
        "Layer 'lstm' (LSTM): config.json gives 'four' as its 'units', which is not of the kind int; save the model "
        "again with model.save(path).",
    ),
    (
        "LSTM last step",
        {"use_bias": 1},
        "Layer 'lstm' (LSTM): config.json gives 1 as its 'use_bias', which is not of the kind bool; save the model "
        "again with model.save(path).",
    ),
    (
        "LSTM last step",
        {"dtype": {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}},
        f"Layer 'lstm' (LSTM) has the dtype policy QuantizedDTypePolicy; {CLAIM}",
    ),
    (
        "LSTM last step",
        {"dtype": "int8_from_float32"},
        f"Layer 'lstm' (LSTM) has the dtype int8_from_float32, which is no floating-point type; {CLAIM}",
    ),
    (
        "LSTM both ways",
        {"merge_mode": "sum"},
        "Layer 'bidirectional' (Bidirectional) has merge_mode='sum', which is not supported; 'concat' is.",
    ),
    (
        "LSTM both ways",
        {"merge_mode": None},
        "Layer 'bidirectional' (Bidirectional) has merge_mode=None, which is not supported; 'concat' is.",
    ),
    (
        "LSTM both ways",
        {"layer": None},
        "Layer 'bidirectional' (Bidirectional) has no layer under 'layer' in config.json; save the model again with "
        "model.save(path).",
    ),
]


@pytest.mark.parametrize(("name", "settings", "sentence"), SETTINGS)
def test_settings(tmp_path, name, settings, sentence):
    refused(changed(tmp_path, name, lambda config: layer_of(config, 1).update(settings)), sentence)


def test_version(tmp_path):
    case = CASES["LSTM last step"]
    for version in ("2.15.0", "30.1"):
        refused(
            write_keras(tmp_path / "model.keras", case["config"], write_h5(case["h5"]), version),
            f"Model 'model.keras' was saved by Keras {version}; files of Keras 3 are supported, so load it in Keras 3, "
            f"compare its outputs (hard_sigmoid is another function there) and save it again with "
            f"model.save('NAME.keras').",
        )


def lstm(**settings):
    return "LSTM", {"name": "lstm", "units": 2, "return_sequences": True, **settings}


def time_distributed(kind):
    return "TimeDistributed", {"name": "t", "layer": {"module": "keras.layers", "class_name": kind, "config": {}}}


TREE = {
    "layers/lstm/cell/vars/0": [3, 8],
    "layers/lstm/cell/vars/1": [2, 8],
    "layers/lstm/cell/vars/2": [8],
    "layers/lstm_1/cell/vars/0": [2, 8],
    "layers/lstm_1/cell/vars/1": [2, 8],
    "layers/lstm_1/cell/vars/2": [8],
    "layers/dense/vars/0": [2, 2],
    "layers/dense/vars/1": [2],
    "layers/embedding/vars/0": [3, 3],
}
DENSE = ("Dense", {"name": "dense", "units": 2})

MODELS = [
    (
        [lstm(), ("Flatten", {"name": "flat"})],
        f"Layer 'flat' is a Flatten, which is not supported; supported are {SUPPORTED}, so save the part of the model "
        f"that is made of these and compute the rest on the host.",
    ),
    (
        [lstm(), ("Dense", {"name": "dense", "units": 2, "activation": "gelu"})],
        "Layer 'dense' (Dense) has the activation gelu, which is not supported; linear, softmax (on the host), relu, "
        "sigmoid, tanh, hard_sigmoid, hard_tanh, relu6 are.",
    ),
    (
        [lstm(), ("ReLU", {"name": "r", "negative_slope": 0.1})],
        "Layer 'r' (ReLU) has negative_slope=0.1, which is not supported; 0 is.",
    ),
    (
        [lstm(), ("ReLU", {"name": "r", "threshold": 1.0})],
        "Layer 'r' (ReLU) has threshold=1.0, which is not supported; 0 is.",
    ),
    (
        [lstm(), ("Softmax", {"name": "s", "axis": 1})],
        "Layer 's' (Softmax) has axis=1, which is not supported; -1, the axis of the features, is.",
    ),
    (
        [lstm(), ("BatchNormalization", {"name": "b", "axis": 1})],
        "Layer 'b' (BatchNormalization) has axis=1, which is not supported; -1, the axis of the features, is.",
    ),
    (
        [("Normalization", {"name": "n", "axis": [1, 2]}), lstm()],
        "Layer 'n' (Normalization) has axis=[1, 2], which is not supported; -1, the axis of the features, is.",
    ),
    (
        [("Normalization", {"name": "n", "axis": [-1], "mean": [1.0, 2.0], "variance": [1.0, 2.0]}), lstm()],
        "Layer 'n' (Normalization) must have one mean or one for each of its 3 features.",
    ),
    (
        [lstm(), ("Softmax", {"name": "s"}), DENSE],
        "Layer 'dense' stands behind something that the host computes (Softmax of 's' over the outputs of each step; "
        "it does not change which is the largest); only the end of a model can be on the host, so save the model "
        "without it or without what follows.",
    ),
    (
        [lstm(), ("Masking", {"name": "m", "mask_value": 0.0})],
        "Layer 'm' is a Masking behind 'lstm', which is not supported; as the first layer it is, where the host "
        "leaves masked steps out.",
    ),
    (
        [lstm(), ("Embedding", {"name": "e", "input_dim": 3, "output_dim": 3})],
        "Layer 'e' is an Embedding and must be the first layer, given one symbol a step (batch, steps).",
    ),
    (
        [lstm(return_sequences=False), lstm(name="second")],
        "Layer 'second' (LSTM) must be given sequences (batch, steps, features), not an input of 2 dimensions; use "
        "return_sequences=True in the layer before it.",
    ),
    (
        [
            lstm(return_sequences=False),
            time_distributed("Dense"),
        ],
        "Layer 't' (TimeDistributed) must be given sequences (batch, steps, features), not an input of 2 dimensions; "
        "use return_sequences=True in the layer before it.",
    ),
    (
        [
            lstm(),
            time_distributed("LSTM"),
        ],
        "Layer 't' is a TimeDistributed LSTM, which is not supported; TimeDistributed Dense, Activation, ReLU, Softmax "
        "and Dropout are.",
    ),
    (
        [lstm(stateful=True), lstm(name="second")],
        "Model 'model.keras' has 1 stateful layers among 2 recurrent layers; all or none must be, since a sequence "
        "ends for all layers together.",
    ),
    (
        [("Dense", {"name": "dense", "units": 2, "use_bias": False})],
        "Model 'model.keras': layer 'dense' must have 1 arrays (kernel) in 'layers/dense/vars' of model.weights.h5, "
        "not 2; the file does not fit its config.json, so build it and save it again with model.save(path).",
    ),
    (
        [("Dense", {"name": "other", "units": 3})],
        "Model 'model.keras': kernel of layer 'other' must have the shape (3, 3), not (2, 2); save the model again "
        "with model.save(path).",
    ),
    (
        [("GRU", {"name": "g", "units": 3})],
        "Model 'model.keras': layer 'g' must have 3 arrays (kernel, recurrent kernel, bias) in 'layers/gru/cell/vars' "
        "of model.weights.h5, not 0; the model has not been built, so build it and save it again with "
        "model.save(path).",
    ),
    (
        [("Activation", {"name": "a", "activation": "relu"})],
        "Model 'model.keras' holds no recurrent layer but Activation; give a model with LSTM, GRU or SimpleRNN.",
    ),
]


@pytest.mark.parametrize(("layers", "sentence"), MODELS)
def test_models(tmp_path, layers, sentence):
    refused(write_keras(tmp_path / "model.keras", sequential(*layers), write_h5(TREE)), sentence)


def test_shapes_of_the_input(tmp_path):
    for shape in ((None, 3), (None, 8, 8, 3)):
        refused(
            write_keras(tmp_path / "model.keras", sequential(lstm(), shape=shape), write_h5(TREE)),
            f"Model 'model.keras' takes an input of the shape {shape}; sequences (batch, steps, features), or (batch, "
            f"steps) of symbols before an Embedding, are supported.",
        )


def test_size_of_the_input_unknown(tmp_path):
    config = sequential(("Activation", {"name": "a", "activation": "relu"}), lstm())
    del config["config"]["layers"][0]
    refused(
        write_keras(tmp_path / "model.keras", config, write_h5(TREE)),
        "Layer 'a' (Activation) has no input size in config.json; begin the model with an Input layer that gives the "
        "number of features.",
    )


def test_both_ways(tmp_path):
    def swap(config):
        settings = layer_of(config, 1)
        settings["layer"], settings["backward_layer"] = settings["backward_layer"], settings["layer"]

    refused(
        changed(tmp_path, "LSTM both ways", swap),
        "Layer 'bidirectional' (Bidirectional) has a forward layer with go_backwards=True, whose outputs come in "
        "reverse order, which is not supported; exchange its forward and backward layers.",
    )

    def differ(config):
        layer_of(config, 1)["layer"]["config"]["return_sequences"] = False

    refused(
        changed(tmp_path, "LSTM both ways", differ),
        "Layer 'bidirectional' (Bidirectional) has two values of return_sequences; they must agree.",
    )

    def stateful(config):
        layer_of(config, 1)["layer"]["config"]["stateful"] = True

    refused(
        changed(tmp_path, "LSTM both ways", stateful),
        "Layer 'forward_lstm' (LSTM) is stateful and does not give its outputs step by step in their order, which is "
        "not supported; a stateful layer must have return_sequences=True and run forwards.",
    )

    def dense(config):
        layer_of(config, 1)["layer"]["class_name"] = "ConvLSTM1D"

    refused(
        changed(tmp_path, "LSTM both ways", dense),
        "Layer 'forward_lstm' is a ConvLSTM1D, which is not supported as a recurrent layer; LSTM, GRU, SimpleRNN are.",
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"class_name": "Sequential", "module": "keras"},
            "Layer 'lstm' is a model inside the model (Sequential), which is not supported; put its layers into the "
            "outer model, which keeps their weights, and save that.",
        ),
        (
            {"class_name": "Add", "module": "keras.src.ops.numpy"},
            "Operation 'lstm' (Add) stands between the layers, which is not supported; use layers only, or compute it "
            "on the host with a model that ends before it.",
        ),
        (
            {"module": "mine"},
            "Layer 'lstm' is of the custom class LSTM, whose meaning no file holds; use a layer of Keras itself in its "
            "place.",
        ),
        (
            {"config": 1},
            "An entry of config.json's layers is no layer; save the model again with model.save(path).",
        ),
    ],
)
def test_entries(tmp_path, change, sentence):
    path = changed(tmp_path, "LSTM last step", lambda config: config["config"]["layers"][1].update(change))
    refused(path, sentence)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"module": "mine", "class_name": "Net", "config": {}},
            "Model 'model.keras' is of the class Net, whose forward no file holds; a Sequential or Functional model "
            "with layers is supported, so build it as one of these and save that.",
        ),
        (
            {"module": "mine", "class_name": "Sequential", "config": {"layers": [1]}},
            "Model 'model.keras' is of the class Sequential, whose forward no file holds; a Sequential or Functional "
            "model with layers is supported, so build it as one of these and save that.",
        ),
        ([], "Model 'model.keras' has a damaged config.json; save the model again with model.save(path)."),
        (
            {"module": "keras", "class_name": "Functional", "config": {"layers": [1]}},
            "Model 'model.keras' has a damaged config.json; save the model again with model.save(path).",
        ),
    ],
)
def test_configs(tmp_path, config, sentence):
    refused(write_keras(tmp_path / "model.keras", config, write_h5(TREE)), sentence)


def node(config, number):
    return config["config"]["layers"][number]["inbound_nodes"][0]


def tensor(*history):
    return {"class_name": "__keras_tensor__", "config": {"keras_history": list(history)}}


def set_output(config):
    config["config"]["output_layers"] = [["gru", 0, 0], ["dense", 0, 0]]


def set_second_output(config):
    node(config, 2)["args"] = [tensor("lstm", 0, 1)]


def call_twice(config):
    config["config"]["layers"][2]["inbound_nodes"] *= 2


def two_arguments(config):
    node(config, 2)["args"] *= 2


def beside(config):
    config["config"]["output_layers"] = ["gru", 0, 0]


def loop(config):
    node(config, 1)["args"] = [tensor("dense", 0, 0)]


def unknown(config):
    node(config, 1)["args"] = [tensor("ghost", 0, 0)]


def initial_state(config):
    node(config, 2)["kwargs"]["initial_state"] = [tensor("lstm", 0, 0)]


def other_mask(config):
    node(config, 2)["kwargs"]["mask"] = tensor("lstm", 0, 0)


GRAPHS = [
    (set_output, "it has not one of 'output_layers' but [['gru', 0, 0], ['dense', 0, 0]]"),
    (set_second_output, "output 1 of call 0 of layer 'lstm' is used, and only the first can be"),
    (call_twice, "layer 'gru' is called 2 times"),
    (two_arguments, "layer 'gru' is called with something other than one output of one layer"),
    (beside, "layer 'dense' stands beside it"),
    (loop, "layer 'dense' does not lead to the input 'input_layer'"),
    (unknown, "there is no layer 'ghost'"),
    (initial_state, "layer 'gru' is called with the argument 'initial_state'"),
    (other_mask, "the mask of layer 'gru' is not that of a Masking or Embedding layer"),
]


@pytest.mark.parametrize(("change", "what"), GRAPHS)
def test_graphs(tmp_path, change, what):
    refused(changed(tmp_path, "functional", change), f"Model 'model.keras' is no chain of layers: {what}; {CHAIN}")


def test_foreign_masks(tmp_path):
    """A mask that looks like Masking's but compares with another value is another mask."""

    def value(config):
        entry = next(e for e in config["config"]["layers"] if e["class_name"] == "NotEqual")
        entry["inbound_nodes"][0]["args"][1] = 5.0

    refused(
        changed(tmp_path, "functional mask", value),
        f"Model 'model.keras' is no chain of layers: the mask of layer 'bidirectional' is not that of a Masking or "
        f"Embedding layer; {CHAIN}",
    )

    def unmasked(config):
        next(e for e in config["config"]["layers"] if e["class_name"] == "Embedding")["config"]["mask_zero"] = False

    refused(
        changed(tmp_path, "embedding mask", unmasked),
        f"Model 'model.keras' is no chain of layers: the mask of layer 'lstm' is not that of a Masking or Embedding "
        f"layer; {CHAIN}",
    )


def test_training(tmp_path):
    refused(
        changed(tmp_path, "functional", lambda config: node(config, 2)["kwargs"].update(training=True)),
        "Model 'model.keras' calls layer 'gru' with training=True, as it behaves in training and not at inference; "
        "call it without.",
    )


def weights_file(tmp_path, change):
    """The file of a case whose model.weights.h5 was changed."""
    case = CASES["LSTM last step"]
    temporary = tmp_path / "weights.h5"
    temporary.write_bytes(write_h5(case["h5"]))
    with h5py.File(temporary, "r+") as file:
        change(file, file["layers/lstm/cell/vars"])
    return write_keras(tmp_path / "model.keras", case["config"], temporary.read_bytes())


def replace(group, key, **options):
    values = group[key][()]
    del group[key]
    group.create_dataset(key, data=values, **options)


def soft_link(file, group):
    del group["2"]
    group["2"] = h5py.SoftLink("/layers/lstm/cell/vars/0")


def external_link(file, group):
    del group["2"]
    group["2"] = h5py.ExternalLink("/etc/passwd", "/x")


def external_storage(file, group):
    del group["2"]
    group.create_dataset("2", (16,), "<f8", external=[("/etc/passwd", 0, 128)])


def compressed(file, group):
    replace(group, "2", compression="gzip")


def never_stored(file, group):
    del group["2"]
    group.create_dataset("2", (16,), "<f8", chunks=(16,))


def virtual(file, group):
    del group["2"]
    group.create_virtual_dataset("2", h5py.VirtualLayout((16,), "<f8"))


def group_instead(file, group):
    del group["2"]
    group.create_group("2")


@pytest.mark.parametrize(
    "change", [soft_link, external_link, external_storage, compressed, never_stored, virtual, group_instead]
)
def test_only_plain_arrays(tmp_path, change):
    refused(
        weights_file(tmp_path, change),
        "Model 'model.keras': '/layers/lstm/cell/vars/2' in model.weights.h5, of layer 'lstm', is a link, or "
        "compressed, or kept elsewhere; only arrays as Keras writes them are read, so save the model again with "
        "model.save(path).",
    )


def test_only_plain_groups(tmp_path):
    def link(file, group):
        del file["layers/lstm"]
        file["layers/lstm"] = h5py.SoftLink("/")

    def array(file, group):
        del file["layers/lstm"]
        file["layers/lstm"] = 1.0

    for change in (link, array):
        refused(
            weights_file(tmp_path, change),
            "Model 'model.keras': 'layers/lstm/cell/vars' in model.weights.h5, of layer 'lstm', is a link, or "
            "compressed, or kept elsewhere; only arrays as Keras writes them are read, so save the model again with "
            "model.save(path).",
        )


def test_values(tmp_path):
    def infinite(file, group):
        group["2"][3] = np.inf

    refused(
        weights_file(tmp_path, infinite),
        "Model 'model.keras': bias of layer 'lstm' holds values that are not finite; all must be, so repair the model "
        "or take an earlier one.",
    )

    def integers(file, group):
        del group["2"]
        group["2"] = np.zeros(16, dtype=np.int8)

    refused(
        weights_file(tmp_path, integers),
        f"Model 'model.keras': bias of layer 'lstm' has the type int8, which is not floating-point; {CLAIM}",
    )


def test_variance(tmp_path):
    case = CASES["batch norms"]
    tree = case["h5"] | {"layers/batch_normalization/vars/3": np.array([1.0, -1.0, 1.0])}
    refused(
        write_keras(tmp_path / "model.keras", case["config"], write_h5(tree)),
        "Layer 'batch_normalization' (BatchNormalization) must have a positive moving variance for each of its 3 "
        "features; repair the model or take an earlier one.",
    )


def test_groups_that_no_layer_has(tmp_path):
    """Else arrays might be taken for another layer's."""
    case = CASES["stacked"]
    tree = case["h5"] | {"layers/dense_2/vars/0": [3, 3]}
    refused(
        write_keras(tmp_path / "model.keras", case["config"], write_h5(tree)),
        f"Model 'model.keras' has the group 'layers/dense_2' in model.weights.h5, which belongs to no layer of "
        f"config.json; {AGAIN}",
    )


def test_h5py_missing(tmp_path, monkeypatch):
    path = write_case(tmp_path / "model.keras", "LSTM last step")
    monkeypatch.setitem(sys.modules, "h5py", None)
    sentence = (
        r"^Reading model 'model\.keras' needs h5py, which is not installed; run 'python -m pip install h5py'\.$"
    )
    with pytest.raises(ToolError, match=sentence):
        read_keras(path)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_archives(tmp_path, monkeypatch):
    path = write_case(tmp_path / "model.keras", "LSTM last step")
    whole = members(path)

    def rewritten(parts):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts:
                archive.writestr(name, data)
        return path

    damaged = "Model 'model.keras' is damaged or of another format"
    for name in whole:
        rest = [(key, data) for key, data in whole.items() if key != name]
        refused(rewritten(rest), f"{damaged} (it holds no '{name}'); {AGAIN}")
    with pytest.warns(UserWarning, match="Duplicate"):
        rewritten([*whole.items(), ("config.json", b"{}")])
    refused(path, f"{damaged} (it holds a member twice); {AGAIN}")
    refused(
        rewritten([*whole.items()][:1] + [("config.json", b"{"), *[*whole.items()][2:]]),
        f"Model 'model.keras' has a damaged config.json (it is no JSON); {AGAIN}",
    )
    deep = b"[" * 200_000
    refused(
        rewritten([*[*whole.items()][:1], ("config.json", deep), *[*whole.items()][2:]]),
        f"Model 'model.keras' has a damaged config.json (it is no JSON); {AGAIN}",
    )
    refused(
        rewritten([*[*whole.items()][:2], ("model.weights.h5", b"no")]),
        "Model 'model.keras' has a damaged model.weights.h5 (it is no HDF5 file); copy it or save it again with "
        "model.save(path).",
    )
    path.write_bytes(b"no")
    refused(path, f"{damaged} (it is no ZIP archive); {AGAIN}")
    monkeypatch.setattr(archive_module, "MEMBER_LIMIT", 10)
    refused(
        rewritten(whole.items()),
        f"Model 'model.keras' says that its 'metadata.json' has {len(whole['metadata.json'])} bytes unpacked; at most "
        f"10 are read, so {AGAIN}",
    )


def test_damage_is_always_a_sentence(tmp_path):
    """Bytes flipped anywhere, and files cut anywhere: read right, or refused in a sentence."""
    path = write_case(tmp_path / "model.keras", "functional")
    whole, choose = path.read_bytes(), random.Random(0)
    for _ in range(300):
        data = bytearray(whole)
        if choose.random() < 0.2:
            del data[choose.randrange(len(data)) :]
        for _ in range(choose.randrange(1, 8)):
            if data:
                data[choose.randrange(len(data))] = choose.randrange(256)
        path.write_bytes(bytes(data))
        try:
            read_keras(path)
        except ModelError as error:
            assert str(error).endswith(".")


def test_damaged_configs_are_always_a_sentence(tmp_path):
    """Any value of config.json replaced by one of another kind."""
    choose = random.Random(0)
    for name in ("functional mask", "stacked", "normalization given", "embedding mask"):
        case = CASES[name]
        weights = write_h5(case["h5"])
        for _ in range(150):
            config = json.loads(json.dumps(case["config"]))
            here = config
            while True:
                key = choose.choice(sorted(here) if isinstance(here, dict) else range(len(here)))
                if isinstance(here[key], dict | list) and here[key] and choose.random() < 0.9:
                    here = here[key]
                    continue
                here[key] = choose.choice([None, 1, -1, 2.5, "x", [], {}, [1], {"config": 1}, True, [[1, 2], [3]]])
                break
            try:
                read_keras(write_keras(tmp_path / "model.keras", config, weights))
            except ModelError as error:
                assert str(error).endswith(".")


def test_keras_rule_of_group_names():
    kinds = ("ReLU", "GRU", "LSTM", "SimpleRNN", "BatchNormalization", "SpatialDropout1D", "TimeDistributed")
    assert [_snake_case(kind) for kind in kinds] == [
        "re_lu",
        "gru",
        "lstm",
        "simple_rnn",
        "batch_normalization",
        "spatial_dropout1d",
        "time_distributed",
    ]


def test_damage_inside_hdf5(tmp_path, monkeypatch):
    """The archive is whole, the HDF5 file inside is not."""
    case = CASES["LSTM last step"]
    data = bytearray(write_h5(case["h5"]))
    position = data.rindex(b"SNOD")  # the list of the arrays in the last group
    data[position] = 0
    again = "copy it or save it again with model.save(path)."
    refused(
        write_keras(tmp_path / "model.keras", case["config"], bytes(data)),
        f"Model 'model.keras' has a damaged model.weights.h5 (the arrays in 'layers/lstm/cell' cannot be read); "
        f"{again}",
    )
    path = write_case(tmp_path / "model.keras", "LSTM last step")
    whole = Weights._group

    def damaged(self, name, group):
        if group == "layers":
            raise RuntimeError("bad symbol table node signature")
        return whole(self, name, group)

    monkeypatch.setattr(Weights, "_group", damaged)
    refused(path, f"Model 'model.keras' has a damaged model.weights.h5 (its layers cannot be listed); {again}")


def test_odd_settings(tmp_path):
    """Settings of kinds that Keras does not write."""

    def activation(config):
        layer_of(config, 1)["activation"] = 5

    def history(config):
        node(config, 1)["args"] = [5]

    def none(config):
        layer_of(config, 1)["activation"] = None

    refused(
        changed(tmp_path, "LSTM last step", activation),
        "Layer 'lstm' (LSTM) has the activation 5, which is not supported; tanh is.",
    )
    refused(
        changed(tmp_path, "LSTM last step", none),
        "Layer 'lstm' (LSTM) has the activation linear, which is not supported; tanh is.",
    )
    refused(
        changed(tmp_path, "functional", history),
        f"Model 'model.keras' is no chain of layers: layer 'lstm' is called with something other than one output of "
        f"one layer; {CHAIN}",
    )


def test_input_as_a_list(tmp_path):
    """Older versions write the one input and output as lists of lists."""

    def nest(config):
        for key in ("input_layers", "output_layers"):
            config["config"][key] = [config["config"][key]]

    read_keras(changed(tmp_path, "functional", nest))
