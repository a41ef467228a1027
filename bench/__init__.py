"""Benchmarks: each prints JSON and a table.  Speeds are of one core, so this comes before NumPy."""

import os

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
