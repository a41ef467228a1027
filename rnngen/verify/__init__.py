"""Simulates the emitted Verilog in Verilator and compares it with the emulator, bit by bit and cycle by cycle."""
