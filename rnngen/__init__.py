"""rnngen: verified FPGA accelerators from trained recurrent networks."""
