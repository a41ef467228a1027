"""Recurrent stacks are recognised by their names and become layers with the same numbers."""

import subprocess
import sys

import numpy as np
import pytest

from rnngen.frontend import inspect, load
from rnngen.ir.network import LinearLayer, RecurrentLayer


def test_lstm_at_the_top(arrays, save):
    state = arrays(3, 4)
    network = load(save(state, "tiny"))
    (layer,) = network.layers
    assert isinstance(layer, RecurrentLayer)
    assert (network.name, network.source, layer.name, layer.cell) == ("tiny", "tiny.safetensors", "l0", "lstm")
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        array = getattr(layer, name)
        assert array.dtype == np.float64
        assert np.array_equal(array, state[f"{name}_l0"])


def test_layers_of_a_stack_follow_their_numbers(arrays, save):
    state = {}
    for number in range(12):  # l10 comes after l9, not after l1
        state |= arrays(3 if number == 0 else 4, 4, "encoder.lstm.", f"_l{number}", seed=number)
    network = load(save(state))
    assert [layer.name for layer in network.layers] == [f"encoder.lstm.l{number}" for number in range(12)]
    assert np.array_equal(network.layers[10].weight_ih, state["encoder.lstm.weight_ih_l10"])
    (summary,) = inspect(save(state)).layers
    assert summary.layers == 12
    assert summary.supported


def test_cell_names(arrays, save):
    network = load(save(arrays(3, 4, "vad.cell.", "")))
    assert [layer.name for layer in network.layers] == ["vad.cell"]


def test_cell_at_the_top(arrays, save):
    assert [layer.name for layer in load(save(arrays(3, 4, "", ""))).layers] == ["l0"]


@pytest.mark.parametrize("suffix", ["", "_l0"])
def test_short_spelling(arrays, save, suffix):
    state = arrays(3, 4, "vad.", suffix)
    short = {name.replace("weight", "w").replace("bias", "b"): array for name, array in state.items()}
    assert f"vad.w_ih{suffix}" in short
    (layer,) = load(save(short)).layers
    assert np.array_equal(layer.weight_hh, state[f"vad.weight_hh{suffix}"])
    assert np.array_equal(layer.bias_hh, state[f"vad.bias_hh{suffix}"])


def test_without_biases_they_are_zero(arrays, save):
    state = {name: array for name, array in arrays(3, 4).items() if "weight" in name}
    (layer,) = load(save(state)).layers
    assert not layer.bias_ih.any()
    assert not layer.bias_hh.any()
    assert not inspect(save(state)).layers[0].bias


def test_select_takes_the_stack_or_a_prefix_above_it(arrays, save):
    state = {
        **arrays(3, 4),
        **arrays(3, 5, "encoder.lstm."),
        **arrays(3, 6, "encoder.lstm2."),
        **arrays(3, 7, "dec.a."),
    }
    path = save(state)
    sizes = {".": 4, "": 4, "encoder.lstm": 5, "encoder.lstm.": 5, "encoder.lstm2": 6, "dec": 7, "dec.a": 7}
    assert {select: load(path, select=select).layers[0].hidden_size for select in sizes} == sizes
    assert inspect(path).selected == ""
    assert inspect(path, select="dec").selected == "dec.a"
    assert inspect(path, select=".").selected == "."


def test_select_top_takes_the_only_stack_below_it(arrays, save):
    assert load(save(arrays(3, 4, "a.b.")), select=".").layers[0].name == "a.b.l0"


def test_head(arrays, save):
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(2, 4)).astype(np.float32), rng.normal(size=2).astype(np.float32)
    path = save({**arrays(3, 4, "lstm."), "fc.weight": weight, "fc.bias": bias, "proj.weight": weight})
    assert len(load(path).layers) == 1
    _, head = load(path, head="fc").layers
    assert isinstance(head, LinearLayer)
    assert head.name == "fc"
    assert np.array_equal(head.weight, weight)
    assert np.array_equal(head.bias, bias)
    assert not load(path, head="proj").layers[1].bias.any()
    summary = inspect(path, head="fc")
    assert summary.head == ("fc",)
    assert [(layer.name, layer.kind, layer.recurrent) for layer in summary.layers] == [
        ("lstm", "lstm", True),
        ("fc", "linear", False),
        ("proj", "matrix", False),
    ]


def test_head_at_the_top(arrays, save):
    weight = np.ones((2, 4), np.float32)
    path = save({**arrays(3, 4, "lstm."), "weight": weight, "bias": np.ones(2, np.float32)})
    assert load(path, head=".").layers[1].name == "head"


def test_name_is_given_or_made(arrays, save):
    path = save(arrays(3, 4), "2 ünits-best.v3")
    assert load(path).name == "net_2_nits_best_v3"
    assert load(path, name="accelerator").name == "accelerator"


def test_summary_to_dict(arrays, save):
    state = {**arrays(3, 4, "lstm."), "fc.weight": np.ones((2, 4), np.float16), "norm.weight": np.ones(4, np.float32)}
    assert inspect(save(state, "vad")).to_dict() == {
        "name": "vad",
        "source": "vad.safetensors",
        "format": "safetensors",
        "supported": True,
        "reason": "",
        "host_before": [],
        "chain": [
            {
                "name": "lstm.l0",
                "kind": "lstm",
                "input_size": 3,
                "output_size": 4,
                "macs": 112,
                "options": {"hidden_size": 4, "bias": True},
            }
        ],
        "host_after": [],
        "notes": [],
        "layers": [
            {
                "name": "lstm",
                "kind": "lstm",
                "input_size": 3,
                "output_size": 4,
                "dtype": "float32",
                "options": {"bias": True, "layers": 1, "bidirectional": False, "proj_size": 0},
                "shapes": {
                    "lstm.bias_hh_l0": [16],
                    "lstm.bias_ih_l0": [16],
                    "lstm.weight_hh_l0": [16, 4],
                    "lstm.weight_ih_l0": [16, 3],
                },
                "supported": True,
                "reason": "",
            },
            {
                "name": "fc",
                "kind": "matrix",
                "input_size": 4,
                "output_size": 2,
                "dtype": "float16",
                "options": {"bias": False},
                "shapes": {"fc.weight": [2, 4]},
                "supported": True,
                "reason": "",
            },
        ],
        "selected": "lstm",
        "head": [],
        "other": ["norm.weight"],
    }


def test_inspect_takes_a_model_without_recurrent_layers(save):
    summary = inspect(save({"fc.weight": np.ones((2, 4), np.float32), "fc.bias": np.ones(2, np.float32)}))
    assert [layer.kind for layer in summary.layers] == ["linear"]
    assert summary.selected == ""


def test_safetensors_need_no_torch(arrays, save):
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from rnngen.frontend import inspect, load, run_reference\n"
        "import numpy as np\n"
        "network = load(sys.argv[1]); inspect(sys.argv[1])\n"
        "print(run_reference(network, np.ones((1, 2, 3))).judge)\n"
    )
    command = [sys.executable, "-c", script, str(save(arrays(3, 4)))]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "numpy float64\n"


def test_safetensors_do_not_import_torch(arrays, save):
    script = "import sys; from rnngen.frontend import load; load(sys.argv[1]); print('torch' in sys.modules)"
    command = [sys.executable, "-c", script, str(save(arrays(3, 4)))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
