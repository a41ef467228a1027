"""Writes ``.keras`` files by hand, as rnngen/frontend/keras_format/__init__.py documents them."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.frontend.keras_cases.make import weight

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))


def write_h5(tree: dict[str, Any], dtype: str = "<f8", **options: Any) -> bytes:
    """model.weights.h5 of paths: a list is the shape of an array filled by ``weight``, a string a group's name."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for path, entry in tree.items():
            if isinstance(entry, str):
                file.require_group(path).attrs["name"] = entry
            else:
                values = entry if isinstance(entry, np.ndarray) else weight(path, tuple(entry)).astype(dtype)
                file.create_dataset(path, data=values, **(options if values.ndim else {}))
    return stream.getvalue()


def write_keras(path: Path, config: Any, weights: bytes, version: str = "3.15.1") -> Path:
    """A ``.keras`` file of its three members."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version, "date_saved": "2026-01-01@00:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return path


def write_case(path: Path, name: str) -> Path:
    """The file of a case."""
    case = CASES[name]
    return write_keras(path, case["config"], write_h5(case["h5"]), case["version"])


def config_of(name: str) -> Any:
    """A copy of a case's config.json, to change."""
    return copy.deepcopy(CASES[name]["config"])


def layer_of(config: Any, number: int) -> Any:
    """Settings of one of a model's layers, the InputLayer counted."""
    return config["config"]["layers"][number]["config"]


def sequential(*layers: tuple[str, dict[str, Any]], shape: tuple[int | None, ...] = (None, None, 3)) -> Any:
    """config.json of a Sequential model of (class, settings)."""
    entries = [("InputLayer", {"batch_shape": list(shape), "name": "input_layer"}), *layers]
    made = [{"module": "keras.layers", "class_name": kind, "config": settings} for kind, settings in entries]
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "sequential", "layers": made}}
