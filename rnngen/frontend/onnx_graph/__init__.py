"""The parts of ``rnngen.frontend.onnx_model``, which reads ONNX models."""
