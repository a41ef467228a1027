"""A serial port to AXI4-Stream and AXI4-Lite bridge: how a PC feeds an accelerator, reads it, reaches its registers.

Frames: ``rnngen.gateware.frames``, and docs/serial-protocol.md.  A step is given to the core once all of it is there
and its check holds, so the core never computes with what the line has garbled, or with half a step.  Nothing here
waits for the line but for the rest of a frame, of a length that its header tells: as many zeros as the longest frame
has bytes end any frame, and a restart takes care of everything behind it.
"""
