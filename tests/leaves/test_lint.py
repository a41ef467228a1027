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
    ("rnn_activation.v", "sum"): "guard bits, and the carry that the table's entries never set",
}
WARNING = re.compile(r"%(?:Warning|Error)(?:-(?P<rule>\w+))?: (?:\S*/)?(?P<file>rnn_\w+\.v)\S* (?P<text>.*)")
LEAVES = sorted(path.stem for path in TEMPLATES.glob("rnn_*.v"))


@pytest.mark.parametrize("define", [[], ["-DRNN_MAC_LANES"]], ids=["model", "lanes"])
@pytest.mark.parametrize("leaf", LEAVES)
def test_leaf_is_lint_clean(leaf: str, define: list[str]) -> None:
    command = [VERILATOR, "--lint-only", "-Wall", "-Wno-fatal", "--language", "1364-2005", "--top-module", leaf]
    command += [*define, "-y", str(TEMPLATES), str(TEMPLATES / f"{leaf}.v")]
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
