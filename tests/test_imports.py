"""The import rule of ARCHITECTURE.md, read off the sources with ast: nothing is executed."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LEVELS = {
    "cli": 11,
    "host": 10,
    "flow": 9,
    "report": 8,
    "verify": 7,
    "build": 7,
    "emit": 6,
    "emulate": 5,
    "gateware": 5,
    "plan": 4,
    "frontend": 3,
    "passes": 3,
    "ir": 2,
    "config": 2,
    "nn": 2,
    "arith": 1,
    "errors": 0,
    "resources": 0,
}
NN_STANDS_ON = {"arith", "errors"}
ENTRY_POINTS = {"__init__", "__main__"}  # the package itself: re-exports, `python -m rnngen`

OWNERS = {
    "torch": {"frontend", "nn"},
    "onnx": {"frontend"},
    "h5py": {"frontend"},
    "amaranth": {"gateware", "emit", "build"},
    "amaranth_boards": {"build"},
}


@dataclass(frozen=True)
class Import:
    """One imported module, and whether it is imported with the module or on demand."""

    file: str
    line: int
    module: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def imported(tree: ast.AST, file: str, package: str, lazy: bool = False) -> Iterator[Import]:
    """Imports below a node; `lazy` inside functions and under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, lazy)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            if module == "rnngen":
                for alias in node.names:
                    yield Import(file, node.lineno, f"rnngen.{alias.name}", lazy)
            else:
                yield Import(file, node.lineno, module, lazy)
        else:
            on_demand = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            yield from imported(node, file, package, lazy or on_demand or typing_only)


def parsed(source: str) -> ast.Module:
    """The tree of a file, while no garbage of other tests is collected: Python 3.11.2's parser may not survive that."""
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()


def sources(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "_data" not in path.parts)


def all_imports(folder: str) -> list[tuple[str, Import]]:
    """(top-level part of the importing file, import) over a folder."""
    found = []
    for path in sources(folder):
        relative = path.relative_to(ROOT)
        part = relative.parts[1].removesuffix(".py") if len(relative.parts) > 1 else ""
        tree = parsed(path.read_text(encoding="utf-8"))
        package = ".".join(relative.parent.parts)
        found += [(part, entry) for entry in imported(tree, str(relative), package)]
    return found


IMPORTS = all_imports("rnngen")


def violation(part: str, entry: Import) -> bool:
    """Whether a part of rnngen may not import this."""
    names = entry.module.split(".")
    if names[0] != "rnngen" or len(names) == 1 or part in ENTRY_POINTS or names[1] == part:
        return False
    if names[1] not in LEVELS:  # an attribute of the package itself, for instance __version__
        return False
    if names[1] == "errors":  # imports nothing and serves everyone, resources beside it too
        return False
    if part == "nn":
        return names[1] not in NN_STANDS_ON
    return LEVELS[names[1]] >= LEVELS[part]


def test_every_part_has_a_level() -> None:
    parts = {path.relative_to(ROOT).parts[1].removesuffix(".py") for path in sources("rnngen")}
    assert parts - set(LEVELS) - ENTRY_POINTS == set()


def test_parts_import_lower_levels_only() -> None:
    assert [str(entry) for part, entry in IMPORTS if violation(part, entry)] == []


@pytest.mark.parametrize("package", sorted(OWNERS))
def test_heavy_packages_have_owners(package: str) -> None:
    assert [str(e) for part, e in IMPORTS if e.module.split(".")[0] == package and part not in OWNERS[package]] == []


def test_one_module_of_emit_knows_amaranth() -> None:
    files = {e.file for part, e in IMPORTS if part == "emit" and e.module.split(".")[0] == "amaranth"}
    assert len(files) <= 1


def test_optional_packages_are_imported_on_demand() -> None:
    optional = {"torch", "onnx", "h5py", "serial", "amaranth_boards", "pynq"}
    eager = [str(e) for part, e in IMPORTS if e.module.split(".")[0] in optional and not e.lazy and part != "nn"]
    assert eager == []


def test_torch_modules_are_imported_on_demand() -> None:
    eager = [str(e) for part, e in IMPORTS if e.module.startswith("rnngen.nn") and not e.lazy and part != "nn"]
    assert eager == []


def test_benches_never_import_rnngen() -> None:
    assert [str(e) for _, e in all_imports("sim") if e.module.split(".")[0] == "rnngen"] == []


@pytest.mark.parametrize(
    ("part", "source", "forbidden"),
    [
        ("plan", "from rnngen.ir.network import Network", False),
        ("plan", "def f():\n    import rnngen.emit.folder", True),
        ("emulate", "from rnngen import gateware", True),
        ("verify", "from rnngen.build import run", True),
        ("nn", "from rnngen.ir import network", True),
        ("nn", "from rnngen.arith import format", False),
        ("passes", "from ..plan import schedule", True),
        ("cli", "from rnngen import __version__, flow", False),
    ],
)
def test_the_rule_itself(part: str, source: str, forbidden: bool) -> None:
    entries = list(imported(ast.parse(source), "x.py", f"rnngen.{part}"))
    assert any(violation(part, entry) for entry in entries) == forbidden


@pytest.mark.parametrize(
    ("source", "lazy"),
    [("import torch", False), ("def f():\n    import torch", True), ("if TYPE_CHECKING:\n    import torch", True)],
)
def test_lazy_imports_are_recognised(source: str, lazy: bool) -> None:
    assert [entry.lazy for entry in imported(ast.parse(source), "x.py", "rnngen.x")] == [lazy]
