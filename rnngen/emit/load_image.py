"""The parameters of a design as what is written to its control port to load them."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.errors import DesignError

MEMORIES = {"weights": 0, "bias": 1, "places": 4}
"""Numbers in LOAD_SELECT of what an image holds."""
LOAD_IMAGE_FILE = "data/parameters.bin"
"""In the folder of a design that can be loaded: all of it as one file, which the C driver takes."""
MAGIC = b"RNNW"
_IMAGE = re.compile(r"rtl/.*engine(\d+)_(weights|bias|places)\.hex")
_DIGEST_BYTES = 16


@dataclass(frozen=True, eq=False)
class LoadRecord:
    """A memory's content: uint32 (words, parts), the lowest part of a word first."""

    engine: int
    memory: int
    parts: npt.NDArray[np.uint32]

    @property
    def select(self) -> int:
        """The value of LOAD_SELECT."""
        return self.engine << 8 | self.memory


def load_records(images: Mapping[str, bytes], double_buffer: bool) -> list[LoadRecord]:
    """Of memory images (``$readmemh`` text) by their path in a design folder; other files are left out.

    Args:
        double_buffer: Each memory holds two images, whose words take turns in the file; one is loaded.
    """
    found = []
    for path, text in images.items():
        if match := _IMAGE.fullmatch(path):
            lines = text.split()[:: 2 if double_buffer else 1]
            found.append(LoadRecord(int(match[1]), MEMORIES[match[2]], _parts(lines)))
    return sorted(found, key=lambda record: (record.engine, record.memory))


def folder_records(folder: Path, document: Mapping[str, Any]) -> list[LoadRecord]:
    """Of a design folder.

    Raises:
        DesignError: if an image cannot be read.
    """
    names = [entry["path"] for entry in document["files"] if _IMAGE.fullmatch(entry["path"])]
    try:
        images = {name: (folder / name).read_bytes() for name in names}
    except OSError as error:
        raise DesignError(f"'{error.filename}' cannot be read: {error.strerror}; generate the design again.") from None
    return load_records(images, document.get("double_buffer", False))


def _parts(lines: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """Words in hexadecimal as parts of 32 bits."""
    digits = -(-len(lines[0]) // 8) * 8
    words = bytes.fromhex(b"".join(line.rjust(digits, b"0") for line in lines).decode("ascii"))
    return np.frombuffer(words, dtype=">u4").reshape(len(lines), -1)[:, ::-1].astype(np.uint32)


def register_writes(
    records: Sequence[LoadRecord], offsets: Mapping[str, int]
) -> Iterator[tuple[LoadRecord, list[tuple[int, int]]]]:
    """Memory by memory, the writes (byte address, data) that load it."""
    for record in records:
        first = [(offsets["LOAD_SELECT"], record.select), (offsets["LOAD_ADDRESS"], 0)]
        yield record, first + [(offsets["LOAD_DATA"], part) for part in record.parts.ravel().tolist()]


def load_crc(records: Sequence[LoadRecord]) -> int:
    """CRC-32 of all words written to LOAD_SELECT, LOAD_ADDRESS and LOAD_DATA."""
    value = 0
    for record in records:
        head = np.array([record.select, 0], dtype="<u4")
        value = zlib.crc32(record.parts.astype("<u4").tobytes(), zlib.crc32(head.tobytes(), value))
    return value


def load_image(records: Sequence[LoadRecord], digest: str) -> bytes:
    """All records as one file, for the C driver: little-endian words of 32 bits.

    ``RNNW``, number of records, the first 128 bits of the design's digest as in DIGEST0..3; of each record LOAD_SELECT,
    parts of a word, words, and its data; at the end the CRC-32 of all before.
    """
    body = MAGIC + struct.pack("<I4I", len(records), *struct.unpack(">4I", bytes.fromhex(digest[: 2 * _DIGEST_BYTES])))
    for record in records:
        words, parts = record.parts.shape
        body += struct.pack("<3I", record.select, parts, words) + record.parts.astype("<u4").tobytes()
    return body + struct.pack("<I", zlib.crc32(body))


def check_alike(holds: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Stops unless a circuit made for one design computes another one once its parameters are loaded.

    Args:
        holds: design.json of the circuit.  other: That of the parameters.

    Raises:
        DesignError: naming the first thing that differs.
    """
    for what in ("ports", "streams", "lanes"):
        if holds[what] != other[what]:
            raise DesignError(_differs(holds, other, what))
    if len(holds["layers"]) != len(other["layers"]):
        raise DesignError(_differs(holds, other, "the number of layers"))
    for one, two in zip(holds["layers"], other["layers"]):
        for key in one.keys() | two.keys():
            if key not in ("name", "masks") and one.get(key) != two.get(key):
                raise DesignError(_differs(holds, other, f"{key} of layer '{one['name']}'"))
    if _bare(holds["blocks"]) != _bare(other["blocks"]):
        raise DesignError(_differs(holds, other, "what follows the layers"))
    mine, its = (_fixed(document) for document in (holds, other))
    if changed := sorted(name for name in mine.keys() | its.keys() if mine.get(name) != its.get(name)):
        raise DesignError(_differs(holds, other, f"{changed[0]}, which cannot be loaded,"))


def _bare(value: Any) -> Any:
    """Plain data without names."""
    if isinstance(value, Mapping):
        return {key: _bare(part) for key, part in value.items() if key != "name"}
    return [_bare(part) for part in value] if isinstance(value, list) else value


def _fixed(document: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the images that only a new configuration changes."""
    entries = {entry["path"]: entry["sha256"] for entry in document["files"] if entry["path"].endswith(".hex")}
    return {path: digest for path, digest in entries.items() if not _IMAGE.fullmatch(path) and "digest" not in path}


def _differs(holds: Mapping[str, Any], other: Mapping[str, Any], what: str) -> str:
    return (
        f"The parameters of '{other['top']}' do not fit the circuit of '{holds['top']}': {what} differ; generate both "
        f"with the same options, and calibrate so that they get the same formats."
    )
