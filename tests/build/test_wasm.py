"""Tools that compile themselves when they first run: once, however many ask for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rnngen.build.wasm import wasm_script
from rnngen.errors import ToolError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose command notes that it ran; where it notes it."""
    about, script, ran = tmp_path / "lib" / "yowasp_none-1.0.dist-info", tmp_path / "bin" / "none", tmp_path / "ran"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: yowasp-none\nVersion: 1.0\n")
    (about / "RECORD").write_text("../bin/none,,\n")
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\nsleep 0.3\necho ran $1 >> {ran}\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    return ran


def test_of_many_at_once_one_compiles(package: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: (wasm_script("none", "yowasp-none"), package.read_text()), range(4)))
    assert {path.name for path, _ in found} == {"none"}
    assert [text for _, text in found] == ["ran --version\n"] * 4  # nobody goes on before it is done


def test_a_cache_that_cannot_be_written(package: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(ToolError, match=r"cannot be written: .*; set YOWASP_CACHE_DIR"):
        wasm_script("none", "yowasp-none")
