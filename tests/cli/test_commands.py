"""Commands: one sentence and exit 2 on bad input, JSON on request, nothing half-written."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from rnngen.cli import main

PROGRESS = ("generating", "emulating", "reading ", "planning ", "writing the ")


@pytest.fixture
def model(tmp_path):
    random = np.random.default_rng(0)
    shapes = {"weight_ih_l0": (24, 4), "weight_hh_l0": (24, 6), "bias_ih_l0": (24,), "bias_hh_l0": (24,)}
    path = tmp_path / "model.safetensors"
    save_file({f"lstm.{name}": random.uniform(-0.4, 0.4, shape) for name, shape in shapes.items()}, path)
    return path


@pytest.fixture
def design(model, tmp_path):
    assert main(["generate", str(model), "-o", str(tmp_path / "d"), "--multipliers", "16"]) == 0
    return tmp_path / "d"


def refuse(capsys, *arguments):
    """The one sentence of a refused command."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not any(word in line for word in PROGRESS)]
    assert out == ""
    assert len(lines) == 1
    assert lines[0].startswith("rnngen: ")
    return lines[0]


def test_inspect_prints_json(model, capsys):
    assert main(["inspect", str(model), "--json"]) == 0
    (layer,) = json.loads(capsys.readouterr().out)["layers"]
    assert (layer["name"], layer["kind"], layer["supported"]) == ("lstm", "lstm", True)


def test_design_document_has_the_promised_keys(design):
    document = json.loads((design / "design.json").read_text())
    assert document["macs_per_step"] == 24 * 10
    assert document["multipliers"] == np.prod(list(document["lanes"].values()))
    assert document["bound_cycles"] == document["macs_per_step"] / document["multipliers"]
    keys = {"top", "clock_hz_target", "step_interval_cycles", "latency_first_output_cycles"}
    keys |= {"latency_last_output_cycles", "weight_bits", "activation_bits", "memory_bits"}
    assert keys <= document.keys()
    port = {"tdata_bits", "words_per_beat", "beats_per_step", "word_bits", "fraction_bits", "signed"}
    for name in ("s_axis", "m_axis"):
        assert port <= document["ports"][name].keys()


def test_a_spaced_design_says_so(model, tmp_path, capsys):
    assert main(["generate", str(model), "-o", str(tmp_path / "s"), "--multipliers", "16", "--spaced"]) == 0
    assert "Spaced latency " in capsys.readouterr().out
    document = json.loads((tmp_path / "s" / "design.json").read_text())
    for which in ("first", "last"):
        assert 0 < document[f"spaced_latency_{which}_output_cycles"] <= document[f"latency_{which}_output_cycles"]
    assert main(["report", str(tmp_path / "s")]) == 0
    assert "spaced latency to the last output word" in (tmp_path / "s" / "report.html").read_text()


def test_emulate_writes_the_output(design, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4)))
    arguments = ["emulate", str(design), "--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    assert main(arguments) == 0
    assert np.load(tmp_path / "y.npy").shape == (2, 3, 6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--weight-bits", 1], "Weight bits must be within 2..18, not 1."),
        (["--activation-bits", 19], "Activation bits must be within 4..18, not 19."),
        (["--multipliers", 0], "--multipliers must be at least 1, not 0."),
        (["--lanes", "3,2,2"], "computes 4 or 2 or 1 of its 4 gates at once, so the gate lanes cannot be 3."),
        (["--lanes", "4,7,2"], "row lanes must be within 1..6, not 7."),
        (["--lanes", "4,2,7"], "column lanes must be within 1..6, not 7."),
        (["--multipliers", 16, "--max-steps", 0], "--max-steps must be at least 1, not 0."),
        (["--multipliers", 16, "--streams", 0], "Streams must be within 1..65536, not 0."),
        (["--pipeline", "fast"], "--pipeline must be one of deep, balanced, short, shortest, least, not fast."),
        (["--clock", 0], "--clock must be within 0.001..10000 MHz, not 0."),
        (["--clock", 110], "The board's PLL cannot make 110 MHz of 25 MHz: ask for 100 or 112.5 MHz."),
        (["--clock", 400, "--multipliers", 16], "No pipeline was routed at 400 MHz, the fastest, "),
        (["--streams", 2], "A board's UART bridge carries one stream, so --streams must be 1, not 2; for more give"),
        (["--multipliers", 16, "--spaced", "--streams", 2], "with --spaced --streams must be 1, not 2."),
        (["--multipliers", 16, "--spaced", "--streams", "auto"], "with --spaced --streams must be 1, not auto."),
        (
            ["--board", "none"],
            "No board is called 'none': 'rnngen boards' lists them, and a board file's name ends in .toml.",
        ),
        (["--calibrate", "none.npy"], "Calibration input 'none.npy' does not exist"),
        (["--select", "encoder"], "encoder"),
    ],
)
def test_generate_refuses(model, tmp_path, capsys, options, sentence):
    assert sentence in refuse(capsys, "generate", model, "-o", tmp_path / "new", *options)
    assert not (tmp_path / "new").exists()


def test_streams_are_a_number_or_auto(model, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["generate", str(model), "-o", str(tmp_path / "new"), "--streams", "many"])
    assert stopped.value.code == 2
    assert "argument --streams: must be a number or auto, not 'many'" in capsys.readouterr().err.lower()


def test_a_foreign_folder_is_not_overwritten(model, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert "was not made by rnngen" in refuse(capsys, "generate", model, "-o", tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((2, 3, 5)), "must have the shape (sequences, steps, 4)"),
        (np.zeros((3, 4)), "must have the shape (sequences, steps, 4)"),
        (np.full((1, 1, 4), np.nan), "all values must be finite"),
        (np.zeros((1, 1, 4), dtype=complex), "must hold real numbers"),
    ],
)
def test_emulate_refuses_arrays(design, tmp_path, capsys, array, sentence):
    np.save(tmp_path / "x.npy", array)
    assert sentence in refuse(capsys, "emulate", design, "--input", tmp_path / "x.npy")


def test_no_design(tmp_path, capsys):
    for command in ("simulate", "synthesize", "report"):
        assert "holds no design.json" in refuse(capsys, command, tmp_path)


def test_synthesize_needs_a_board(design, capsys):
    assert "was made for no board" in refuse(capsys, "synthesize", design)


@pytest.mark.parametrize(("option", "value"), [("--stall", "1"), ("--steps", "0"), ("--gap", "-1")])
def test_simulate_refuses(design, capsys, option, value):
    assert f"{option} must be at least" in refuse(capsys, "simulate", design, option, value)


def test_json_carries_the_error(tmp_path, capsys):
    assert main(["report", str(tmp_path), "--json"]) == 2
    assert "holds no design.json" in json.loads(capsys.readouterr().out)["error"]


def test_usage_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["generate", "model", "-o", "d", "--lanes", "4,2"])
    assert stop.value.code == 2
    assert "must be GATES,ROWS,COLUMNS" in capsys.readouterr().err


def test_doctor(capsys):
    assert main(["doctor", "--json"]) == 0
    names = {tool["name"]: tool["found"] for tool in json.loads(capsys.readouterr().out)["tools"]}
    assert names["numpy"]
    assert names["amaranth"]


@pytest.mark.parametrize("array", [np.zeros(2), np.ones((2, 1), dtype=np.int64)])
def test_simulate_refuses_lengths(design, tmp_path, capsys, array):
    np.save(tmp_path / "l.npy", array)
    said = refuse(capsys, "simulate", design, "--lengths", tmp_path / "l.npy")
    kind, shape = array.dtype, array.shape
    assert said.endswith(f"must be integers of shape (sequences,), not {kind} of shape {shape}.")
