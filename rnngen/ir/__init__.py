"""The network as data: float layers, and integer layers."""
