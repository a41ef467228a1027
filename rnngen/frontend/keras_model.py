"""Reading ``.keras`` files of Keras 3, with h5py alone: neither Keras nor a framework behind it is needed.

Supported are Sequential and Functional models that are chains: LSTM, GRU (reset_after=True), SimpleRNN,
Bidirectional (concat), Dense, TimeDistributed Dense, Embedding, BatchNormalization, Normalization, Rescaling,
Activation, ReLU, dropouts (which do nothing at inference).  Masks and softmax are left to the host, in sentences.
All else is refused by name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rnngen.errors import ModelError
from rnngen.frontend.archive import Archive
from rnngen.frontend.chain import Chain
from rnngen.frontend.keras_format.graph import Graph, read_graph
from rnngen.frontend.keras_format.layers import Reading, convert
from rnngen.frontend.keras_format.weights import Weights
from rnngen.ir.layers import ParallelLayer, RecurrentLayer
from rnngen.ir.network import Network

_ADVICE = "save it again with model.save('NAME.keras') of Keras 3"


def read_keras(path: Path) -> Chain:
    """The layers of a model saved by Keras 3's ``model.save(path)``, with float64 parameters in PyTorch's order.

    Args:
        path: A ``.keras`` file.

    Raises:
        ModelError: one sentence, if the file is damaged, of another Keras, or holds what is not supported.
        ToolError: if h5py is not installed.
    """
    title = f"Model '{path.name}'"
    archive = Archive(path, title, _ADVICE)
    _check_version(title, _json(archive, title, "metadata.json"))
    graph = read_graph(title, _json(archive, title, "config.json"))
    reading = Reading(Weights(title, archive.read("model.weights.h5")), *_input(title, graph))
    for layer in graph.layers:
        convert(layer, reading)
    if not any(isinstance(layer, RecurrentLayer | ParallelLayer) for layer in reading.layers):
        kinds = ", ".join(layer.kind for layer in graph.layers)
        raise ModelError(f"{title} holds no recurrent layer but {kinds}; give a model with LSTM, GRU or SimpleRNN.")
    _check_stateful(title, reading)
    _check_groups(title, graph, reading.weights)
    Network("network", tuple(reading.layers))
    return Chain(
        title=title,
        stem=path.stem,
        source=path.name,
        kind="keras",
        layers=tuple(reading.layers),
        host_before=tuple(reading.host_before),
        host_after=tuple(reading.host_after),
        notes=tuple(reading.notes),
    )


def _json(archive: Archive, title: str, name: str) -> Any:
    try:
        return json.loads(archive.read(name).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{title} has a damaged {name} (it is no JSON); {_ADVICE}.") from error


def _check_version(title: str, metadata: object) -> None:
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    if not isinstance(version, str) or version.split(".")[0] != "3":
        raise ModelError(
            f"{title} was saved by Keras {version}; files of Keras 3 are supported, so load it in Keras 3, compare its "
            f"outputs (hard_sigmoid is another function there) and save it again with model.save('NAME.keras')."
        )


def _input(title: str, graph: Graph) -> tuple[int, int | None]:
    """Rank and size of a step of the input."""
    symbols = bool(graph.layers) and graph.layers[0].kind == "Embedding"
    if not graph.shape:
        return (2 if symbols else 3), None
    rank = len(graph.shape)
    if rank != (2 if symbols else 3):
        raise ModelError(
            f"{title} takes an input of the shape {graph.shape}; sequences (batch, steps, features), or (batch, steps) "
            f"of symbols before an Embedding, are supported."
        )
    return rank, None if symbols else graph.shape[-1]


def _check_groups(title: str, graph: Graph, weights: Weights) -> None:
    """A group that no layer claims would mean that the rule which group is whose is another in this file."""
    known = {layer.group for layer in graph.layers}
    for group in weights.layers():
        if group not in known and not group.startswith("layers/input_layer"):
            raise ModelError(
                f"{title} has the group '{group}' in model.weights.h5, which belongs to no layer of config.json; "
                f"{_ADVICE}."
            )


def _check_stateful(title: str, reading: Reading) -> None:
    """State kept from call to call must be kept in every recurrent layer: the accelerator has one end of sequence."""
    kept = [note for note in reading.notes if "is stateful" in note]
    recurrent = [layer for layer in reading.layers if isinstance(layer, RecurrentLayer | ParallelLayer)]
    if kept and len(kept) != len(recurrent):
        raise ModelError(
            f"{title} has {len(kept)} stateful layers among {len(recurrent)} recurrent layers; "
            f"all or none must be, since a sequence ends for all layers together."
        )
