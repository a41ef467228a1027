"""ONNX models: LSTM, GRU and RNN nodes with what stands around them (``rnngen.frontend.onnx_graph``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rnngen.errors import ModelError
from rnngen.frontend.chain import Chain
from rnngen.frontend.onnx_graph.file import check_model, convert, load_file
from rnngen.frontend.onnx_graph.graph import (
    holds,
    is_recurrent_output,
    is_state,
    recurrent_nodes,
    state_nodes,
)
from rnngen.frontend.onnx_graph.moves import separate
from rnngen.frontend.onnx_graph.sequences import Source
from rnngen.frontend.onnx_graph.values import Known
from rnngen.frontend.onnx_graph.walk import Walk, listing
from rnngen.frontend.traced import UNIT
from rnngen.frontend.tracing import Host, Size, Steps, Tracer, Value
from rnngen.ir.network import Network
from rnngen.ir.reference import recurrent_layers

if TYPE_CHECKING:
    import onnx


def read_onnx(path: Path, select: str | None = None) -> Chain:
    """The accelerator's part of an ONNX file, with float64 parameters.

    Args:
        path: The file; data outside it is read only from its folder.
        select: Name of a recurrent node, also one inside a branch of an If: the accelerator begins there, what is
            before stays on the host, and a state that is an input of the model is kept inside the accelerator.

    Raises:
        ModelError: one sentence with what is not supported and what to do.
        ToolError: if the package onnx is not installed.
    """
    model = load_file(path)
    title = f"Model '{path.name}'"
    return _read(model, Tracer(title, path.stem, path.name, "onnx"), {}, select, None, path.parent)


def read_onnx_model(
    model: onnx.ModelProto,
    constants: Mapping[str, npt.ArrayLike] | None = None,
    select: str | None = None,
    output: str | None = None,
) -> Chain:
    """As ``read_onnx``, of a model in memory.

    Args:
        model: The model.
        constants: Values of graph inputs that are weights.
        select: As for ``read_onnx``.
        output: Name of the graph output to take; the first that a recurrent node makes if omitted.

    Raises:
        ModelError: as ``read_onnx``, and if a name is none of the model's.
    """
    title = f"Model '{model.graph.name or 'onnx'}'"
    arrays = {
        name: convert(np.asarray(value), f"{title}: constant '{name}'") for name, value in (constants or {}).items()
    }
    tracer = Tracer(title, model.graph.name or "model", "onnx.ModelProto", "onnx")
    return _read(model, tracer, arrays, select, output, None)


def _read(
    model: onnx.ModelProto,
    tracer: Tracer,
    constants: Mapping[str, npt.NDArray[np.generic]],
    select: str | None,
    output: str | None,
    folder: Path | None,
) -> Chain:
    model = check_model(model, tracer.title)
    graph = model.graph
    _check_names(graph, tracer, constants, select, output)
    chosen = output or _output(graph, tracer)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    source = Source(tracer.title, folder, opset, select, _shapes(model))
    (value,) = Walk(source, tracer).follow(graph, [chosen], constants)
    states = _check_others(graph, tracer, chosen, explicit=select is not None or output is not None)
    chain = tracer.finish([_joined(value, tracer)])
    return _with_finals(chain, graph, tracer, states)


def _check_names(
    graph: onnx.GraphProto,
    tracer: Tracer,
    constants: Mapping[str, npt.NDArray[np.generic]],
    select: str | None,
    output: str | None,
) -> None:
    if not any(True for _ in recurrent_nodes(graph)):
        raise ModelError(
            f"{tracer.title} holds no recurrent node (LSTM, GRU, RNN); cells written out as single operations, as "
            f"torch.onnx.export writes nn.LSTMCell and, with dynamo=True, nn.RNN, cannot be read, so export a "
            f"recurrent layer with dynamo=False or give the state dict."
        )
    if select is not None and not holds(graph, select):
        raise ModelError(
            f"Selection '{select}' matches no recurrent node of {tracer.source}; there are: {listing([graph])}."
        )
    outputs = [entry.name for entry in graph.output]
    if output is not None and output not in outputs:
        raise ModelError(f"{tracer.title} has no output '{output}'; there are: {', '.join(outputs)}.")
    unknown = sorted(set(constants) - {entry.name for entry in graph.input})
    if unknown:
        raise ModelError(f"{tracer.title} has no input '{unknown[0]}' to be constant; check the names.")


def _output(graph: onnx.GraphProto, tracer: Tracer) -> str:
    """The first graph output that a recurrent node makes."""
    names = [entry.name for entry in graph.output]
    chosen = next((name for name in names if is_recurrent_output(graph, name)), None)
    if chosen is None:
        raise ModelError(
            f"{tracer.title} has no output that a recurrent node makes; its outputs are {', '.join(names)}."
        )
    return chosen


def _with_finals(chain: Chain, graph: onnx.GraphProto, tracer: Tracer, states: Sequence[str]) -> Chain:
    """The chain whose caller takes final states, which are those of its layers."""
    layers = [layer.name for layer in recurrent_layers(Network("network", chain.layers))]
    for name in states:
        for node in state_nodes(graph, name):
            if not {node, f"{node}.reverse"} & set(layers):
                raise ModelError(
                    f"{tracer.title} gives as '{name}' the final state of '{node}', which its first output does not "
                    f"need; leave it out."
                )
        tracer.note(f"The output '{name}' of the model is a final state, which is read over the control port.")
    return replace(chain, notes=tuple(tracer.notes), caller_state=chain.caller_state or bool(states))


def _check_others(graph: onnx.GraphProto, tracer: Tracer, chosen: str, explicit: bool) -> list[str]:
    """Outputs that are final states; says what is not taken: others only where the user chose what to take."""
    names = [entry.name for entry in graph.output]
    states = []
    for name in names:
        if name == chosen:
            continue
        if not explicit and not is_state(graph, name):
            raise ModelError(
                f"{tracer.title} has the outputs {', '.join(names)}, and '{name}' is no final state; one output is "
                f"supported, so export a model that returns it alone."
            )
        if explicit:
            tracer.note(f"The output '{name}' of the model is not taken; '{chosen}' is.")
        else:
            states.append(name)
    return states


def _joined(value: Known | None, tracer: Tracer) -> Value:
    """The output with its directions side by side: on one axis with the features, as the accelerator gives them."""
    value = separate(tracer, value)
    if not isinstance(value, (Steps, Host)):
        raise ModelError(f"{tracer.title} has a constant output; there is nothing to compute.")
    if isinstance(value, Host):
        return value if value.base is None else replace(value, base=_side_by_side(value.base))
    return _side_by_side(value)


def _side_by_side(value: Steps) -> Steps:
    if value.stack is None:
        return value
    atoms = [atom for axis in value.axes for atom in axis]
    features = (*(atom for atom in atoms if atom.stacked), *(atom for atom in atoms if atom.label == UNIT))
    rest = tuple(tuple(atom for atom in axis if atom not in features) for axis in value.axes)
    return value.with_axes((*rest, features))


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[Size, ...]]:
    """Lengths of the axes of values by name; a symbol where they are free."""
    from onnx import shape_inference

    # ValueError: for what the checker lets pass.  What the file says itself is left then.
    with suppress(shape_inference.InferenceError, ValueError):
        model = shape_inference.infer_shapes(model)
    shapes: dict[str, tuple[Size, ...]] = {}
    for entry in _entries(model.graph):
        tensor = entry.type.tensor_type
        if tensor.HasField("shape"):
            shapes[entry.name] = tuple(
                int(dim.dim_value) if dim.dim_value > 0 else dim.dim_param or f"{entry.name}.{number}"
                for number, dim in enumerate(tensor.shape.dim)
            )
    return shapes


def _entries(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    lists: Sequence[Sequence[onnx.ValueInfoProto]] = (graph.input, graph.value_info, graph.output)
    for entries in lists:
        yield from entries
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _entries(attribute.g)
