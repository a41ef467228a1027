"""A design, its results and its views as the other parts of rnngen would hand them over."""

from __future__ import annotations

import math
from typing import Any

from rnngen.report import ErrorView, Lane, LayerError, Span, TraceView

TILES, X_WORDS, H_WORDS, INTERVAL = 8, 8, 8, 128
SWEEP = X_WORDS + H_WORDS
STAGES = (("accumulate done", 9, 1), ("pre-activation", 10, 4), ("gates", 12, 4), ("c", 15, 4), ("h write", 19, 4))


def _lanes(engine: str, offset: int, simulated: bool, late: int = 0) -> list[Lane]:
    def lane(name: str, spans: list[Span]) -> Lane:
        ran = [Span(span.start + late, span.end + late, span.label) for span in spans]
        return Lane(name, engine, tuple(spans), tuple(ran) if simulated else None)

    starts = [offset + tile * SWEEP for tile in range(TILES)]
    lanes = [
        lane("issue x part", [Span(s, s + X_WORDS, f"tile {i}") for i, s in enumerate(starts)]),
        lane("issue h part", [Span(s + X_WORDS, s + SWEEP, f"tile {i}") for i, s in enumerate(starts)]),
    ]
    for name, delay, length in STAGES:
        ends = [s + SWEEP + delay for s in starts]
        lanes.append(lane(name, [Span(e, e + length, f"tile {i}") for i, e in enumerate(ends)]))
    return lanes


def trace(simulated: bool = True, late: int = 0) -> TraceView:
    """One LSTM engine with a small head behind it."""
    head = (Span(150, 154, "unit 0"),)
    lanes = (
        *_lanes("lstm.l0", 0, simulated, late),
        Lane("issue x part", "decoder", head, head if simulated else None),
        Lane("output beats", "decoder", (Span(160, 161, "y"),), (Span(160, 161, "y"),) if simulated else None),
    )
    busy = [128 + (2 if 150 <= cycle - late < 154 else 0) for cycle in range(168)]
    return TraceView(lanes, 0, 168, [128] * 150 + [130] * 4 + [128] * 14, busy if simulated else None, INTERVAL)


def errors(steps: int = 90) -> ErrorView:
    """Errors that rise over the first steps and settle."""
    largest = [4e-4 * (1 - math.exp(-t / 6)) * (1 + 0.4 * math.sin(t / 3)) + 2e-5 for t in range(steps)]
    return ErrorView(
        layers=(LayerError("lstm.l0", 5.6e-4, 9.1e-5, 61.2), LayerError("decoder", 3.1e-4, 2.2e-4, 58.7)),
        step_max=largest,
        step_mean=[value / 5 for value in largest],
        sequences=4,
        reference="PyTorch, float64",
    )


def design() -> dict[str, Any]:
    """design.json."""

    def form(width: int, fraction: int, signed: bool = True) -> dict[str, Any]:
        return {"width": width, "fraction": fraction, "signed": signed}

    return {
        "top": "silero_vad",
        "source": "silero_vad_16k.safetensors",
        "input_description": "real speech, Front_Center.wav of alsa-utils, resampled to 16 kHz",
        "clock_hz_target": 100e6,
        "multipliers": 130,
        "macs_per_step": 131200,
        "lanes": {"gates": 4, "rows": 16, "columns": 2},
        "step_interval_cycles": 1024,
        "bound_cycles": 1009.2307692307693,
        "latency_first_output_cycles": 1061,
        "latency_last_output_cycles": 1064,
        "weight_bits": 8,
        "activation_bits": 16,
        "memory_bits": {"weights": 1048576, "bias": 16384, "c": 2048, "h": 4096},
        "board": {"name": "ulx3s_85f"},
        "ports": {"m_axis": {"fraction_bits": 14}},
        "layers": [
            {
                "name": "lstm.l0",
                "kind": "lstm",
                "input_size": 128,
                "output_size": 128,
                "formats": {
                    "x": form(16, 11),
                    "weight_x": form(8, 5),
                    "weight_h": form(8, 6),
                    "pre_activation": form(16, 12),
                    "gate": form(16, 15, False),
                    "c": form(18, 12),
                    "h": form(16, 15),
                },
                "lanes": {"gates": 4, "rows": 16, "columns": 2},
                "tiles": 8,
                "sweep_cycles": 128,
                "interval_cycles": 1024,
                "latency_cycles": 21,
                "multipliers": 128,
            },
            {
                "name": "decoder",
                "kind": "linear",
                "input_size": 128,
                "output_size": 1,
                "formats": {"x": form(16, 15), "weight_x": form(8, 5), "y": form(16, 11)},
                "lanes": {"gates": 1, "rows": 1, "columns": 2},
                "tiles": 1,
                "sweep_cycles": 64,
                "interval_cycles": 64,
                "latency_cycles": 12,
                "multipliers": 2,
            },
        ],
        "files": [
            {"path": "rtl/silero_vad.v", "bytes": 184223, "sha256": "9f86d081884c7d65" * 4},
            {"path": "rtl/lstm_l0_weights.hex", "bytes": 524288, "sha256": "60303ae22b998861" * 4},
        ],
        "tools": {"rnngen": "0.1.0", "amaranth": "0.5.10"},
    }


def simulation() -> dict[str, Any]:
    """simulation.json."""
    return {
        "bit_exact": True,
        "cycle_exact": True,
        "mismatches": 0,
        "steps": 360,
        "cycles_total": 368704,
        "step_interval_cycles": 1024,
        "multiplier_utilisation": 0.9855769,
        "saturations": 12,
        "saturations_by_layer": {"lstm.l0": {"pre_activation": 12, "c": 0, "h": 0}, "decoder": {"y": 0}},
        "float_max_abs_error": 3.1e-4,
        "float_mean_abs_error": 2.2e-4,
        "float_sqnr_db": 58.7,
        "build_seconds": 14.2,
        "simulate_seconds": 3.9,
        "cycles_per_second": 94539.5,
    }


def synthesis() -> dict[str, Any]:
    """synthesis.json."""
    return {
        "tool": "nextpnr-ecp5",
        "tool_version": "0.11",
        "device": "LFE5U-85F-6",
        "fmax_hz": 112.4e6,
        "clock_met": True,
        "luts": 21803,
        "ffs": 17950,
        "dsps": 130,
        "block_rams": 74,
        "bitstream": "synthesis/silero_vad.bit",
        "seconds": 171.3,
        "available": {"luts": 83640, "ffs": 83640, "dsps": 156, "block_rams": 208},
        "critical_path": {
            "source": "core.a.Q",
            "target": "core.b.DI",
            "delay_ns": 8.897,
            "logic_ns": 5.5,
            "routing_ns": 3.397,
            "steps": [],
        },
        "measured": True,
    }
