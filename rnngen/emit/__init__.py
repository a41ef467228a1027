"""Design folders: Verilog, memory images, design.json."""
