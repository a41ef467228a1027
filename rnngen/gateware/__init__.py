"""The circuit, in Amaranth, around the Verilog leaves."""
