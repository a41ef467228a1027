"""The parts of reading ``.npz``: its arrays, the mapping file, and the layers it lists."""
