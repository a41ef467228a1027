"""An engine: sequencer, memories, multiplier array and element-wise path of one layer.

``engine`` has the ports and puts the parts together; a module each has what goes from one part to the next one:
operands (``operands``, ``hidden``, ``banked``), parameters (``weights``, ``biases``), the state, and the results.
"""
