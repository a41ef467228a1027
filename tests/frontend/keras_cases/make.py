"""Writes cases.json beside this file: what Keras itself saves of small models, and what it computes with them.

Run by hand, in an environment of its own, when a case is added: ``pip install keras==3.15.1 torch h5py`` and
``python make.py``.  The tests need neither: they rebuild each ``.keras`` file from the case.  Of config.json the
entries that only training reads (initializers, regularizers, constraints) are left out.  Weights are a formula of
their path in model.weights.h5 (``weight``), so that no values need storing.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).parent
STEPS, FEATURES, SYMBOLS = 5, 3, 7


def weight(path: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Multiples of 1/64 below 0.8, exact in every type; above 0 where they may be a variance."""
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    values = (numbers * 37 + zlib.crc32(path.encode())) % 101
    return (values + 1) / 64 if "normalization" in path else (values - 50) / 64


def given(shape: tuple[int, ...], symbols: bool) -> npt.NDArray[np.float64]:
    """The input of a case."""
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return numbers * 5 % (SYMBOLS - 1) + 1.0 if symbols else (numbers * 29 % 53 - 26) / 16


def models() -> dict[str, Callable[[], Any]]:
    """One model a case."""
    import keras
    from keras import layers

    def chain(*parts: Any, shape: tuple[int | None, ...] = (None, FEATURES)) -> Any:
        return keras.Sequential([layers.Input(shape), *parts])

    def functional(make: Callable[[Any], Any], symbols: bool = False) -> Any:
        start = keras.Input((None,), dtype="int32") if symbols else keras.Input((None, FEATURES))
        return keras.Model(start, make(start))

    cases: dict[str, Callable[[], Any]] = {}
    for kind in ("LSTM", "GRU", "SimpleRNN"):
        make = getattr(layers, kind)
        cases |= {
            f"{kind} sequences": lambda make=make: chain(make(4, return_sequences=True)),
            f"{kind} last step": lambda make=make: chain(make(4)),
            f"{kind} backwards": lambda make=make: chain(make(4, go_backwards=True)),
            f"{kind} without bias": lambda make=make: chain(make(4, use_bias=False)),
            f"{kind} both ways": lambda make=make: chain(layers.Bidirectional(make(4, return_sequences=True))),
            f"{kind} both ways, final": lambda make=make: chain(layers.Bidirectional(make(4))),
            f"{kind} unrolled": lambda make=make: chain(make(4, unroll=True), shape=(STEPS, FEATURES)),
        }
    return cases | {
        "SimpleRNN relu": lambda: chain(layers.SimpleRNN(4, activation="relu")),
        "two kinds both ways": lambda: chain(
            layers.Bidirectional(
                layers.LSTM(4, return_sequences=True),
                backward_layer=layers.GRU(4, return_sequences=True, go_backwards=True),
            )
        ),
        "stacked": lambda: chain(
            layers.LSTM(4, return_sequences=True, name="z"),
            layers.Dropout(0.5),
            layers.LSTM(5, return_sequences=True, name="a", recurrent_dropout=0.2),
            layers.Bidirectional(layers.GRU(2)),
            layers.Dense(3, activation="relu"),
            layers.Dense(2, activation="softmax"),
        ),
        "stateful": lambda: keras.Sequential(
            [layers.Input((None, FEATURES), batch_size=1), layers.LSTM(3, stateful=True, return_sequences=True)]
        ),
        "time distributed": lambda: chain(
            layers.LSTM(4, return_sequences=True),
            layers.TimeDistributed(layers.Dense(2, activation="hard_sigmoid")),
            layers.Dense(3, use_bias=False, activation="hard_tanh"),
            layers.SpatialDropout1D(0.1),
        ),
        "activations": lambda: chain(
            layers.GRU(4, return_sequences=True),
            layers.Activation("relu"),
            layers.Dense(3, activation="tanh"),
            layers.Dense(3, activation="sigmoid"),
            layers.ReLU(),
            layers.Dense(3, activation="relu6"),
            layers.Dense(4),
            layers.ReLU(0.5),
        ),
        "batch norms": lambda: chain(
            layers.BatchNormalization(),
            layers.LSTM(4, return_sequences=True),
            layers.BatchNormalization(scale=False, epsilon=0.01),
            layers.LSTM(3),
            layers.BatchNormalization(center=False, axis=1),
        ),
        "batch renorm": lambda: chain(layers.BatchNormalization(renorm=True), layers.LSTM(4)),
        "normalization given": lambda: chain(
            layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 4.0]), layers.LSTM(4)
        ),
        "normalization given for all": lambda: chain(
            layers.Normalization(axis=None, mean=0.1, variance=3.0), layers.Rescaling(1.5, -0.25), layers.LSTM(4)
        ),
        "normalization adapted": lambda: chain(
            layers.Normalization(), layers.Normalization(axis=None), layers.Normalization(invert=True), layers.GRU(4)
        ),
        "functional": lambda: functional(
            lambda x: layers.Dense(2)(layers.GRU(3)(layers.LSTM(4, return_sequences=True)(x)))
        ),
        "functional state": lambda: functional(lambda x: layers.Dense(2)(layers.LSTM(3, return_state=True)(x)[0])),
        "functional mask": lambda: functional(
            lambda x: layers.Bidirectional(layers.GRU(3))(
                layers.LSTM(3, return_sequences=True)(layers.Masking(-1.0)(x))
            )
        ),
        "embedding": lambda: functional(
            lambda x: layers.Dense(2, activation="softmax")(layers.LSTM(3)(layers.Embedding(SYMBOLS, 4)(x))), True
        ),
        "embedding mask": lambda: functional(
            lambda x: layers.LSTM(3, return_sequences=True)(layers.Embedding(SYMBOLS, 4, mask_zero=True)(x)), True
        ),
        "softmax layer": lambda: chain(layers.LSTM(3, return_sequences=True), layers.Softmax()),
    }


def needed(value: Any) -> Any:
    """What inference needs of config.json."""
    if isinstance(value, dict):
        ends = ("_initializer", "_regularizer", "_constraint")
        return {key: needed(inner) for key, inner in value.items() if not key.endswith(ends) and key[:6] != "shared"}
    return [needed(inner) for inner in value] if isinstance(value, list) else value


def members(model: Any) -> zipfile.ZipFile:
    """The file of a model as Keras saves it."""
    path = HERE / "model.keras"
    model.save(path)
    try:
        return zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    finally:
        path.unlink()


def tree(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Of model.weights.h5 the shape of each array and the name that each group carries."""
    import h5py

    found: dict[str, Any] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[path] = list(item.shape)
        elif "name" in item.attrs:
            found[path] = str(item.attrs["name"])

    with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(visit)
    return found


def fill(model: Any) -> None:
    """Give every array the weights of its path, by way of Keras' own format: save, fill in, load."""
    import h5py

    path = HERE / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        arrays: list[str] = []
        file.visititems(lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in arrays:
            values = weight(name, file[name].shape)
            file[name][...] = values if file[name].dtype.kind == "f" else 0
    model.load_weights(path)
    path.unlink()


def case(name: str, model: Any) -> dict[str, Any]:
    """All of one case; one with a mask is given two masked steps, the second and the last."""
    fill(model)
    archive = members(model)
    shape = model.inputs[0].shape
    x = given((1, STEPS) if len(shape) == 2 else (1, STEPS, FEATURES), len(shape) == 2)
    if "mask" in name:
        x[:, [1, -1]] = 0 if len(shape) == 2 else -1
    output = model(x, training=False)
    return {
        "config": needed(json.loads(archive.read("config.json"))),
        "version": json.loads(archive.read("metadata.json"))["keras_version"],
        "h5": tree(archive),
        "input": x.tolist(),
        "output": output.detach().numpy().tolist(),
    }


def main() -> None:
    """Write cases.json, a case a line."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    from keras.src.backend.common import dtypes

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # else products of float64 are rounded to float32
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    lines = []
    for name, make in models().items():
        keras.backend.clear_session()
        lines.append(f"{json.dumps(name)}: {json.dumps(case(name, make()))}")
    (HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
