"""The conformance suite: PyTorch's options, each alone and all in pairs; ``python -m bench.conformance``."""
