"""Reading members of ZIP archives that others wrote (``.keras``, ``.npz``): sizes bounded, damage said plainly."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from rnngen.errors import ModelError

MEMBER_LIMIT = 1 << 31
"""Bytes of one unpacked member; larger ones are refused before they are unpacked."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, LookupError, OSError)


class Archive:
    """The members of an archive, each read whole and checked against its CRC.

    Args:
        path: The file.
        title: How messages call it, for instance ``Model 'vad.keras'``.
        advice: What to do about a damaged file, for instance ``save it again with model.save(path)``.

    Raises:
        ModelError: if the file cannot be read or is no ZIP archive.
    """

    def __init__(self, path: Path, title: str, advice: str) -> None:
        self._path, self._title, self._advice = path, title, advice
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except PermissionError as error:
            raise ModelError(
                f"{title} cannot be read ({error.strerror}); check the file and its permissions."
            ) from error
        except _DAMAGE as error:
            raise self._damaged("it is no ZIP archive") from error
        self._sizes = {info.filename: info.file_size for info in infos}
        if len(self._sizes) != len(infos):
            raise self._damaged("it holds a member twice")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members, in the archive's order."""
        return tuple(self._sizes)

    def read(self, name: str) -> bytes:
        """All bytes of one member.

        Raises:
            ModelError: if there is no such member, it is larger than ``MEMBER_LIMIT``, or damaged.
        """
        if name not in self._sizes:
            raise self._damaged(f"it holds no '{name}'")
        if self._sizes[name] > MEMBER_LIMIT:
            raise ModelError(
                f"{self._title} says that its '{name}' has {self._sizes[name]} bytes unpacked; "
                f"at most {MEMBER_LIMIT} are read, so {self._advice}."
            )
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(name) as member:
                data = member.read(self._sizes[name] + 1)
        except _DAMAGE as error:
            raise self._damaged(f"its '{name}' cannot be unpacked") from error
        if len(data) != self._sizes[name]:
            raise self._damaged(f"its '{name}' has not the size that it says")
        return data

    def _damaged(self, what: str) -> ModelError:
        return ModelError(f"{self._title} is damaged or of another format ({what}); {self._advice}.")
