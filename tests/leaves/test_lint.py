"""Every leaf alone under all of Verilator's warnings.

One waiver: UNUSEDSIGNAL for bits that a shift rounds away.  They belong to a sum that has to be computed whole,
and nothing reads them.  It holds for the wires named here and no others.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.leaves.bench import TEMPLATES, VERILATOR

pytestmark = pytest.mark.verilator

ROUNDED_AWAY = {
    ("rnn_narrow.v", "wide"): "sum with its bias, kept from bit SHIFT on",
    ("rnn_lstm_lane.v", "cell_sum"): "f*c + i*g, kept from bit SHIFT_C on",
    ("rnn_lstm_lane.v", "oh_half"): "o * tanh(c), kept from bit SHIFT_H on",
    ("rnn_gru_lane.v", "n_sum"): "n_x + r*n_h, kept from bit SHIFT_N on",
    ("rnn_gru_lane.v", "state_sum"): "(1-z)*n + z*state, kept from bit SHIFT_STATE on",
    ("rnn_gru_lane.v", "h_sum"): "the same, kept from bit SHIFT_H on",
    ("rnn_activation.v", "sum"): "guard bits, and the carry that the table's entries never set",
}
WARNING = re.compile(r"%(?:Warning|Error)(?:-(?P<rule>\w+))?: (?:\S*/)?(?P<file>rnn_\w+\.v)\S* (?P<text>.*)")
LEAVES = sorted(path.stem for path in TEMPLATES.glob("rnn_*.v"))


SPLITS = [(6, 3), (6, 6), (30, 12), (3, 3)]  # rows, rows of a group
FORMS: list[tuple[str, list[str]]] = [
    *((leaf, []) for leaf in LEAVES),
    ("rnn_mac_array", ["-DRNN_MAC_LANES"]),
    ("rnn_mac_lanes", ["-GROWS=19", "-GGROUP_ROWS=9"]),
    ("rnn_mac_lanes", ["-GROWS=20", "-GGROUP_ROWS=8", "-GSETS=12", "-GGATES=4", "-GSHARED=2"]),
    ("rnn_vector_memory", ["-GINDEXED=1", "-GSETS=3", "-GINDEX_WIDTH=2", "-GDEPTH=8", "-GWORD_WIDTH=3"]),
    ("rnn_banked_array", ["-GROWS=20", "-GGROUP_ROWS=8", "-GSETS=12", "-GGATES=4", "-GSHARED=2", "-DRNN_MAC_LANES"]),
    ("rnn_banked_array", ["-GROWS=6", "-GGROUP_ROWS=3", "-GSETS=6", "-GGATES=3", "-GSPLIT=1", "-GHAS_X=0"]),
    ("rnn_banked_array", ["-GHAS_H=0", "-GX_DEPTH=6", "-GX_WORD_WIDTH=3", "-GINDEX_WIDTH=2"]),
    *(
        (leaf, ["-GSPLIT=1", f"-GROWS={rows}", f"-GGROUP_ROWS={group}"])
        for leaf in ("rnn_mac_model", "rnn_mac_lanes")
        for rows, group in SPLITS
    ),
    ("rnn_mac_array", ["-GSPLIT=1", "-GROWS=9", "-GGROUP_ROWS=6"]),
    ("rnn_mac_array", ["-GSPLIT=1", "-GROWS=9", "-GGROUP_ROWS=6", "-DRNN_MAC_LANES", '-GMULTIPLIER="ecp5"']),
    ("rnn_mac_slice", ["-GSPLIT=1", "-GROWS=9"]),
    *(
        ("rnn_mac_array", ["-GACCUMULATE=0", *more, *form])
        for form in ([], ["-DRNN_MAC_LANES"], ["-DRNN_MAC_LANES", '-GMULTIPLIER="ecp5"'])
        for more in ([], ["-GPRODUCT_STAGES=0", "-GADDEND_WIDTH=40", "-GCOLUMNS=26", "-GTREE_STAGES_EVERY=3"])
    ),
    ("rnn_adder_tree", ["-GINPUTS=27", "-GSTAGES_EVERY=3", "-GSHORT_FIRST=1", "-GOPEN=1"]),
    *(
        (leaf, ["-GNARROW_STAGES=0", "-GTABLE_STAGES=2", "-GPRODUCT_STAGES=0", "-GROUND_STAGES=0", "-GSIGNED_TABLE=1"])
        for leaf in ("rnn_lstm_tail", "rnn_gru_tail", "rnn_lstm_lane", "rnn_gru_lane")
    ),
    ("rnn_table_tail", ["-GNARROW_STAGES=0", "-GTABLE_STAGES=3", "-GSIGNED_TABLE=1", "-GSIGMOID=1"]),
    *((leaf, ["-GOPEN=1", "-GSIGNED_TABLE=1"]) for leaf in ("rnn_lstm_tail", "rnn_activation", "rnn_table_tail")),
    ("rnn_narrow", ["-GSTAGES=0"]),
    ("rnn_gate", ["-GNARROW_STAGES=0", "-GTABLE_STAGES=2", "-GOPEN=1", "-GSIGMOID=1"]),
    ("rnn_product", ["-GSTAGES=0"]),
    ("rnn_multiplier", ["-GSTAGES=0"]),
    ("rnn_multiplier_ecp5", ["-GSTAGES=0"]),
    ("rnn_mac_slice", ["-GSPLIT=1", "-GROWS=3", "-GSHIFT=0", "-GPRODUCT_STAGES=1", "-GCOLUMNS=1"]),
    *(("rnn_multiplier_pair", [f"-GWIDE={wide}", f"-GSTAGES={stages}"]) for wide in (24, 25) for stages in (0, 1, 4)),
    ("rnn_multiplier_pair_ecp5", ["-GA_WIDTH=5"]),
    ("rnn_multipliers", ["-GCOUNT=2"]),
    ("rnn_multipliers", ["-GCOUNT=2", "-GA_WIDTH=4", '-GMULTIPLIER="ecp5"']),
    ("rnn_multipliers", ['-GMULTIPLIER="ecp5"']),
    ("rnn_mac_slice", ["-GROWS=7", "-GPAIR_WIDTH=32"]),
    ("rnn_mac_array", ["-GSPLIT=1", "-GROWS=15", "-GGROUP_ROWS=6", "-DRNN_MAC_LANES", "-GPAIR_WIDTH=33"]),
    *(
        (leaf, ["-GLIMIT=1", f"-GLOW={low}", f"-GHIGH={high}"])
        for leaf in ("rnn_narrow", "rnn_linear_tail")
        for low, high in ((0, 0x7FFF), (-5, 100), (-100, -5))
    ),
    ("rnn_partial_sums", ["-GSPLIT=1", "-GROWS=6"]),
    ("rnn_gate_sums", ["-GGATES=2", "-GTURNS=2", "-GTURN_WIDTH=1", "-GLANES=3"]),
    ("rnn_gate_sums", ["-GLANES=2", "-GDEPTH=3", "-GADDRESS_WIDTH=2", "-GSPLIT=1"]),
    ("rnn_gate_sums", ["-GSPLIT=1"]),
    ("rnn_weight_buffer", ["-GWORD_WIDTH=70", "-GBEATS=2"]),
    ("rnn_weight_buffer", ["-GWORD_WIDTH=128", "-GBEATS=2", "-GDEPTH=16", "-GADDRESS_WIDTH=4"]),
    ("rnn_weight_buffer", ["-GWORD_WIDTH=20", "-GWORDS=3", "-GLANE_WIDTH=2"]),
    ("rnn_activation", ["-GSIGMOID=1"]),
    ("rnn_table_tail", ["-GSIGMOID=1"]),
    ("rnn_table_tail", ["-GLANES=3"]),
    ("rnn_gru_tail", ["-GLANES=3", "-GINNER_WIDTH=16", "-GSHIFT_N=15"]),
    ("rnn_gru_lane", ["-GZ_WIDTH=16", "-GREST_BITS=5", "-GLEFT_N=0", "-GLEFT_H=2"]),
]


@pytest.mark.parametrize(("leaf", "form"), FORMS, ids=lambda value: value if isinstance(value, str) else "".join(value))
def test_leaf_is_lint_clean(leaf: str, form: list[str]) -> None:
    command = [VERILATOR, "--lint-only", "-Wall", "-Wno-fatal", "--language", "1364-2005", "--top-module", leaf]
    command += [*form, "-y", str(TEMPLATES), str(TEMPLATES / f"{leaf}.v")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line in done.stderr.splitlines():
        if not line.startswith("%"):
            continue
        found = WARNING.match(line)
        assert found, line
        wire = re.fullmatch(r"Bits of signal are not used: '(\w+)'\[.*\]", found["text"])
        assert found["rule"] == "UNUSEDSIGNAL", line
        assert wire, line
        assert (found["file"], wire[1]) in ROUNDED_AWAY, line


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaf_is_one_small_module(leaf: str) -> None:
    text = (TEMPLATES / f"{leaf}.v").read_text()
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == [leaf]
    assert text.count("\n") <= 150
    assert text.startswith("//")  # the contract
