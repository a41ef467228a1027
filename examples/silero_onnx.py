"""silero-vad from its ONNX file: what the file itself computes of a sound, and which of its nodes is accelerated.

``pip install --no-deps silero-vad==6.2.3``, and onnx, whose own evaluator runs the file.  The file holds one network
for 16 kHz and one for 8 kHz behind an If; of the first, rnngen takes the LSTM 128 -> 128 and what follows it: ReLU,
a convolution of width 1 (a Linear layer to one score) and a sigmoid.  The weights are not those of the safetensors file
of the same package.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from examples.silero_features import chunks
from rnngen.errors import ToolError

FloatArray = npt.NDArray[np.float64]

BRANCH = "then_branch"
NODE = "If_0_then_branch__Inline_0__/decoder/rnn/LSTM"
"""The LSTM for 16 kHz, as ``ImportOptions(select=NODE)``."""
FEATURES = "If_0_then_branch__Inline_0__/decoder/If_output_0"
STATES, STATE_SIZE = 2, 128


@dataclass(frozen=True, eq=False)
class OwnRun:
    """What the file computes, in float32.

    Attributes:
        features: (1, frames, 128), what enters the LSTM.
        probabilities: (frames,), that a voice is heard.
    """

    features: FloatArray
    probabilities: FloatArray


def model_file() -> Path:
    """The ONNX file inside the installed package, found without importing it."""
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise ToolError("This needs silero-vad, which is not installed; run 'pip install --no-deps silero-vad==6.2.3'.")
    return Path(spec.origin).parent / "data" / "silero_vad.onnx"


def run_file(samples: FloatArray, frames: int | None = None) -> OwnRun:
    """The file on a sound at 16 kHz, frame by frame, its state carried from call to call.

    Args:
        samples: (samples,).  frames: Only the first so many.
    """
    try:
        import onnx
        from onnx.reference import ReferenceEvaluator
    except ImportError as error:
        raise ToolError("This needs onnx, which is not installed; run 'pip install rnngen[onnx]'.") from error
    model = onnx.load(model_file())
    (choice,) = [node for node in model.graph.node if node.op_type == "If"]
    (branch,) = [attribute.g for attribute in choice.attribute if attribute.name == BRANCH]
    names = [FEATURES, branch.output[0].name, branch.output[1].name]
    outputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names]
    inputs = [entry for entry in model.graph.input if entry.name != "sr"]
    graph = onnx.helper.make_graph(list(branch.node), BRANCH, inputs, outputs)
    evaluator = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=model.opset_import))
    state = np.zeros((STATES, 1, STATE_SIZE), np.float32)
    features, probabilities = [], []
    for chunk in chunks(samples)[:frames].astype(np.float32):
        made, probability, state = evaluator.run(names, {"input": chunk[None], "state": state})
        features.append(made[0])
        probabilities.append(probability[0, 0])
    return OwnRun(np.array(features, dtype=np.float64)[None], np.array(probabilities, dtype=np.float64))
