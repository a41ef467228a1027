"""rnn_activation against the table's definition: every input of several formats, STAGES cycles later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnngen.arith.activation import TanhTable, make_tanh_table
from tests.leaves.bench import Bench, Port, write_table

pytestmark = pytest.mark.verilator

LONGEST = 5
BITS = [4, 5, 8, 12, 16, 18]
WHOLE = [(4, 2, 1), (5, 5, 1), (16, 3, 0), (18, 2, 1), (12, 3, 1)]  # bits, stages, without the last register
COARSE = [(5, 0, 0), (3, 0, 1), (2, 1, 1)]  # stages, without the last register, signed; steps of 2: a segment an input
INSTANCES = [
    *((bits, bits - 2, name, 5, 0, 0) for bits in BITS for name in ("tanh", "sigmoid")),
    *((bits, bits - 2, name, stages, is_open, 1) for bits, stages, is_open in WHOLE for name in ("tanh", "sigmoid")),
    *((10, -1, name, *form) for form in COARSE for name in ("tanh", "sigmoid")),
]


def defined(table: TanhTable, n: int) -> int:
    """T(n) from the table's entries, as its docstring states it."""
    m = n if n >= 0 else -n - 1
    address, r = m >> table.rest_bits, m % (1 << table.rest_bits) + (n < 0)
    value = (int(table.base[address]) + int(table.slope[address]) * r) >> table.guard_bits
    return -value if n < 0 else value


def test_every_input(tmp_path: Path) -> None:
    bench, stimulus, wanted, latencies = Bench(), {}, {}, {}
    cycles = (1 << 18) + LONGEST  # every input up to 18 bits, every fourth of the 20-bit format
    count = np.arange(cycles, dtype=np.int64)
    for bits, fraction, name, stages, is_open, signed in INSTANCES:
        table = make_tanh_table(bits + 2, fraction, min(bits, 16))
        assert (table.rest_bits == 0) == (fraction < 0)
        instance, width = f"{name}{bits}_{stages}_{signed}", table.in_width
        image = f"t{bits}_{signed}.hex"
        write_table(tmp_path / image, table, signed=bool(signed))
        latencies[instance] = stages - is_open
        parameters = {
            "IN_WIDTH": width, "REST_BITS": table.rest_bits, "GUARD_BITS": table.guard_bits,
            "BASE_WIDTH": table.base_width, "SLOPE_WIDTH": table.slope_width, "OUT_WIDTH": table.out_fraction + 1,
            "SIGMOID": int(name == "sigmoid"), "INIT_FILE": image,
            "STAGES": stages, "OPEN": is_open, "SIGNED_TABLE": signed,
        }  # fmt: skip
        out = Port("out", table.out_fraction + 1, signed=name == "tanh")
        bench.add(instance, "rnn_activation", parameters, [Port("in", width)], [out])
        n = (count * (5 if width > 18 else 1) + (1 << (width - 1))) % (1 << width) - (1 << (width - 1))
        stimulus[instance, "in"] = n[:, None]
        wanted[instance] = table.evaluate(n) + (0 if name == "tanh" else 1 << table.out_fraction)
        some = np.linspace(0, min(cycles, 1 << width) - 1, 500).astype(int)
        offset = 0 if name == "tanh" else 1 << table.out_fraction
        assert [defined(table, int(n[k])) + offset for k in some] == wanted[instance][some].tolist()
    got = bench.run(tmp_path, stimulus)
    for instance, values in wanted.items():
        latency = latencies[instance]
        seen = got[instance, "out"][latency:, 0]
        assert np.array_equal(seen, values[:-latency]), instance
        assert not np.array_equal(got[instance, "out"][latency - 1 : -1, 0], values[:-latency])
