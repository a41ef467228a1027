"""A design folder is written whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnngen.errors import DesignError

DESIGN_FILE = "design.json"
SYSTEM_FILE = "system.json"
"""In the folder of a system, which holds the design folder of each device."""
GENERATOR = "rnngen"

_OPTIONS = {"generate": "", "partition": "--system SYSTEM.toml "}


@dataclass(frozen=True)
class FileEntry:
    """A file of the design: path relative to the folder, digest and size."""

    path: str
    sha256: str
    bytes: int


def entry(path: str, content: bytes) -> FileEntry:
    """The entry of a file with this content."""
    return FileEntry(path, hashlib.sha256(content).hexdigest(), len(content))


def check_target(folder: Path) -> None:
    """Refuses a target that rnngen did not make.

    Raises:
        DesignError: if it is a file, cannot be read, or is a folder that is neither empty nor a design folder.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DesignError(f"'{folder}' is a file; give a folder that does not exist yet.")
    try:
        empty = not any(folder.iterdir())
    except OSError as error:
        raise DesignError(f"'{folder}' cannot be read: {error.strerror}; choose another folder.") from error
    if not empty and not is_design(folder):
        raise DesignError(
            f"'{folder}' is not empty and was not made by rnngen; give a new folder, nothing was overwritten."
        )


def is_design(folder: Path) -> bool:
    """Whether the folder holds a design, or a system of designs, that rnngen made."""
    return any(_is_ours(folder / name) for name in (DESIGN_FILE, SYSTEM_FILE))


def is_system(folder: Path) -> bool:
    """Whether the folder is that of a system and not of one design."""
    return (folder / SYSTEM_FILE).is_file() and not (folder / DESIGN_FILE).exists()


def _is_ours(path: Path) -> bool:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("generator") == GENERATOR


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes all files beside the target and moves them into place in one step.

    Raises:
        DesignError: if the target is not rnngen's, or cannot be written; nothing is left behind then.
    """
    with fresh_folder(folder) as fresh:
        for name, content in files.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_bytes(content)


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the target that takes its place in one step when all is written, and vanishes if anything fails.

    Raises:
        DesignError: if the target is not rnngen's, or cannot be written; nothing is left behind then.
    """
    check_target(folder)
    parent = folder.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    except OSError as error:
        raise DesignError(f"'{folder}' cannot be written: {error.strerror}; choose another folder.") from error
    try:
        yield fresh
        fresh.chmod(0o755)
        _replace(fresh, folder)
    except OSError as error:
        raise DesignError(f"'{folder}' cannot be written: {error.strerror}; choose another folder.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _replace(fresh: Path, folder: Path) -> None:
    """Moves the fresh folder to the target; an older design there is put back if that fails, else removed."""
    if not folder.exists():
        os.replace(fresh, folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=fresh.parent))
    try:
        os.replace(folder, old)
    except OSError:
        old.rmdir()
        raise
    try:
        os.replace(fresh, folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes one file whole or not at all.

    Raises:
        DesignError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(name, 0o644)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise DesignError(f"'{path}' cannot be written: {error.strerror}.") from error


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A JSON document with stable bytes."""
    return (json.dumps(document, indent=2, sort_keys=False, allow_nan=False) + "\n").encode()


def read_document(folder: Path) -> dict[str, Any]:
    """design.json of a folder.

    Raises:
        DesignError: if it is missing, not JSON, or not rnngen's.
    """
    if is_system(folder):
        names = sorted(path.parent.name for path in folder.glob(f"*/{DESIGN_FILE}"))
        raise DesignError(
            f"'{folder}' holds a system of several designs; give the folder of one of {', '.join(names)}."
        )
    return _read(folder, DESIGN_FILE, "generate")


def read_system_document(folder: Path) -> dict[str, Any]:
    """system.json of a folder.

    Raises:
        DesignError: if it is missing, not JSON, or not rnngen's.
    """
    return _read(folder, SYSTEM_FILE, "partition")


def _read(folder: Path, name: str, command: str) -> dict[str, Any]:
    path, advice = folder / name, f"make one with 'rnngen {command} MODEL {_OPTIONS[command]}-o DIR'."
    if not path.is_file():
        raise DesignError(f"'{folder}' holds no {name}; {advice}")
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DesignError(f"'{path}' cannot be read as JSON ({error}); generate the design again.") from error
    if not isinstance(document, dict) or document.get("generator") != GENERATOR:
        raise DesignError(f"'{path}' was not written by rnngen; {advice.replace('one', 'a design')}")
    return document


def check_files(folder: Path, entries: list[FileEntry]) -> None:
    """Every file of the design is there and unchanged.

    Raises:
        DesignError: naming the first file that is missing or changed.
    """
    for item in entries:
        path = folder / item.path
        if not path.is_file():
            raise DesignError(f"'{path}' is missing from the design; generate it again.")
        if hashlib.sha256(path.read_bytes()).hexdigest() != item.sha256:
            raise DesignError(f"'{path}' was changed after the design was generated; generate it again.")
