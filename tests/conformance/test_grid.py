"""The conformance grid: every row imported right or refused, the emulator within its bounds, some rows as circuits."""

from __future__ import annotations

import math
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.conformance.cover import complete, cover, possible_pairs
from bench.conformance.grid import OPTIONS, legal, refused_rows, rows
from bench.conformance.modules import make
from bench.conformance.page import page, read_rows
from bench.conformance.suite import Outcome, run
from rnngen.flow.accuracy import ErrorFigures
from rnngen.flow.proof import CircuitCheck, EmulatorCheck, LayerErrors

torch.set_num_threads(1)

PAGE = Path(__file__).parents[2] / "CONFORMANCE.md"

REASONS = {
    "LSTM, BatchNorm1d behind the RNN": "Layer 'norm' scales and shifts every element and stands behind 'rnn.l0' at "
    "the end, where no Linear, recurrent or Embedding layer can take it in; compute it on the host, or put a Linear "
    "layer behind 'norm'.",
    "FactorisedLSTM, given initial state": "Module Row: torch.export cannot follow its forward (a state given to a "
    "module of rnngen.nn cannot be followed); give another example input as example=, or save the state dict and "
    "select the layers in it (--select).",
    "GroupedLSTM, given initial state": "Module Row: torch.export cannot follow its forward (a state given to a "
    "module of rnngen.nn cannot be followed); give another example input as example=, or save the state dict and "
    "select the layers in it (--select).",
    "LSTM, c_n": "Module Row: 'rnn' gives out the cell state c_n, which the accelerator keeps inside; only h_n and the "
    "output can be taken.",
    "LSTM, 2 layers, h_n of both layers": "Module Row: 'rnn' gives out the states of 2 layers together; take those of "
    "one, for instance h_n[-1].",
    "LSTM, GELU between 2 layers": "Module Row: 'second' is a recurrent layer behind what stays on the host "
    "('between' (gelu) is computed on the host); the layers of the accelerator must follow one another.",
    "LSTM, h_0 from the input": "Module Row: 'rnn' computes its initial state h_0 from the model's input; a state "
    "that is zero, a parameter or an input of forward by itself is supported.",
    "LSTM, packed sequence": "Module Row: 'rnn' runs on packed sequences; leave pack_padded_sequence out of forward, "
    "because the accelerator ends each sequence by itself.",
}

SAMPLE = (
    "LSTM, given initial state",
    "GRU, cell form, Linear Hardtanh, Linear ReLU in front, BatchNorm1d behind the Linear",
    "FactorisedLSTM, 2 layers, bias=False, batch_first=False, dropout, h_n, Linear Hardsigmoid, Embedding, "
    "BatchNorm1d behind the Linear",
    "GroupedLSTM, h_n, Linear Sigmoid, Linear in front, BatchNorm1d behind the RNN",
    "RNN relu, bidirectional, backward half, Linear Sigmoid, Linear in front, BatchNorm1d in front",
    "LSTM, 2 layers, bidirectional, proj_size, bias=False, batch_first=False, dropout, given initial state, "
    "last step, Linear, Embedding, BatchNorm1d in front",
    "RNN tanh, cell form, Linear argmax, Linear in front, BatchNorm1d behind the RNN",
)
"""Rows that are simulated in every run; ``make conformance`` simulates all."""


@pytest.mark.parametrize("title", rows())
def test_row_is_imported_right_and_emulated_within_the_bounds(title: str) -> None:
    outcome = run(rows()[title], circuit=False)
    assert not outcome.refused
    assert outcome.emulator is not None
    assert outcome.emulator.judged
    assert outcome.difference <= 1e-12
    assert outcome.holds, outcome.emulator


@pytest.mark.parametrize("title", refused_rows())
def test_row_is_refused_with_its_reason(title: str) -> None:
    assert run(refused_rows()[title], circuit=False) == Outcome(REASONS[title])


@pytest.mark.verilator
@pytest.mark.parametrize("title", SAMPLE)
def test_circuit_of_a_row_equals_the_emulator(title: str) -> None:
    circuit = run(rows()[title], circuit=True).circuit
    assert circuit is not None
    assert (circuit.bits, circuit.cycles, circuit.paused_bits) == (True, True, True), circuit.sentence


def test_outputs_are_worth_comparing() -> None:
    for title, choice in rows().items():
        y = make(choice).expected
        assert np.count_nonzero(y) or title == "FactorisedLSTM, h_n, Linear argmax", title
        assert np.ptp(y) > 0 or "argmax" in title, title


def test_every_value_of_every_option_stands_alone() -> None:
    """Where a rule asks for another option, with that one."""
    choices = list(rows().values())
    for name, values in OPTIONS.items():
        for value in values:
            fewest = min(
                sum(choice[other] != first[0] for other, first in OPTIONS.items())
                for choice in choices
                if choice[name] == value
            )
            assert fewest <= 1 + (value in ("forward half", "backward half") or name == "norm"), value


def test_every_pair_of_values_is_in_a_row_or_against_a_rule() -> None:
    """The pairs that are possible are found here by trying all rows, not by the search that makes the cover."""
    choices = list(rows().values())
    for first, second in combinations(OPTIONS, 2):
        there = {(choice[first], choice[second]) for choice in choices}
        for pair in product(OPTIONS[first], OPTIONS[second]):
            fixed = {first: pair[0], second: pair[1]}
            assert (pair in there) == (complete(OPTIONS, legal, fixed) is not None), fixed


def test_cover_of_a_case_worked_by_hand() -> None:
    """Three options of two values and one rule: 11 pairs are left; nothing illegal is made."""
    options = {"a": ("0", "1"), "b": ("0", "1"), "c": ("0", "1")}

    def rule(choice: object) -> bool:
        assert isinstance(choice, dict)
        return not (choice.get("a") == "1" and choice.get("b") == "1")

    pairs = possible_pairs(options, rule)
    assert len(pairs) == 11
    made = cover(options, rule)
    assert {pair for choice in made for pair in combinations(choice.items(), 2)} == set(pairs)
    assert cover(options, rule, made) == []


def test_the_committed_page_has_the_rows_of_the_grid() -> None:
    expected = dict.fromkeys(rows(), True) | dict.fromkeys(refused_rows(), False)
    assert list(read_rows(PAGE.read_text(encoding="utf-8")).items()) == list(expected.items())


def test_the_committed_page_holds_no_difference_and_gives_the_reasons() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "differ**" not in text
    assert f"## Converted: {len(rows())} rows, {len(rows())} hold\n" in text
    for title, reason in REASONS.items():
        assert f"| {title} | {reason} |\n" in text


def outcome(cycles: bool = True, largest: float = 1e-5, difference: float = 1e-16) -> Outcome:
    emulator = EmulatorCheck((LayerErrors("l", ErrorFigures(largest, 1e-6, math.inf)),), 2.0, True, None, 0)
    return Outcome("", difference, emulator, CircuitCheck(4, 9, True, cycles, True, ""))


def test_what_makes_a_row_fail_is_seen_on_the_page() -> None:
    text = page({"a": outcome(), "b": outcome(cycles=False), "c": outcome(largest=4.1e-4), "d": Outcome("no | yes.")})
    lines = text.splitlines()
    assert "## Converted: 3 rows, 1 hold" in lines
    assert "| a | < 1e-15 | 1.0e-05 | 1.0e-06 | 2.00 | = | = | = |" in lines
    assert "| **b** | < 1e-15 | 1.0e-05 | 1.0e-06 | 2.00 | = | **differ** | = |" in lines
    assert "| **c** | < 1e-15 | 4.1e-04 | 1.0e-06 | 2.00 | = | = | = |" in lines
    assert "| d | no \\| yes. |" in lines
    assert read_rows(text) == {"a": True, "b": True, "c": True, "d": False}
    assert outcome(largest=3.9e-4).holds
    assert not outcome(difference=2e-12).holds
