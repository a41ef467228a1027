"""View files of a waveform for GTKWave and Surfer: the stages by name, values as the numbers that they stand for.

GTKWave scales an integer by a shift that the view file names.  Surfer takes the binary point from a signal's range,
which ``emit.stages`` declares so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rnngen.emit.stages import INSTANCE, Scope, Stage, View, Wave

GTKWAVE_SUFFIX, SURFER_SUFFIX = ".gtkw", ".sucl"

# Bits of GTKWave's trace flags.
_BINARY, _DECIMAL, _RIGHT, _SIGNED, _BLANK = 1 << 3, 1 << 2, 1 << 5, 1 << 10, 1 << 9
_CLOSED, _BEGIN, _END, _SHIFTED = 1 << 22, 1 << 23, 1 << 24, 1 << 30

MOST_SHIFT = 30
"""Bits behind the point that GTKWave scales by; it computes the scale in an int."""


def write_views(waves: Path, views: Sequence[tuple[str, View]]) -> tuple[Path, Path]:
    """Writes a view for each viewer beside a waveform.

    Args:
        waves: The waveform.
        views: Of each core, its place in the waveform, such as ``core`` or ``bench.left.core``, and what it shows.

    Returns:
        The files for GTKWave (``gtkwave WAVES FILE``) and Surfer (``surfer -c FILE WAVES``).
    """
    gtkwave, surfer = (waves.with_suffix(suffix) for suffix in (GTKWAVE_SUFFIX, SURFER_SUFFIX))
    gtkwave.write_text(gtkwave_view(waves.name, views), encoding="utf-8")
    surfer.write_text(surfer_view(views), encoding="utf-8")
    return gtkwave, surfer


def gtkwave_view(waves: str, views: Sequence[tuple[str, View]]) -> str:
    """A save file of GTKWave.

    Args:
        waves: Name of the waveform, which is in the same folder.
    """
    own = Path(waves).with_suffix(GTKWAVE_SUFFIX)
    lines = ["[*]", f'[dumpfile] "{waves}"', f'[savefile] "{own}"', "[size] 1400 1000"]
    lines += ["[sst_expanded] 0", "[signals_width] 260"]
    for place, view in views:
        for scope in view.scopes:
            title = f"{view.top}: {scope.name}" if len(views) > 1 else scope.name
            lines += [f"@{_BEGIN | _BLANK:x}", f"-{title}"]
            for stage in scope.stages:
                lines += [f"@{_BLANK:x}", f"-{stage.name}"]
                for wave in stage.waves:
                    lines += _gtkwave_trace(f"{place}.{INSTANCE}.{scope.scope}", wave)
            lines += [f"@{_END | _BLANK:x}", f"-{title}"]
    return "\n".join([*lines, ""])


def _gtkwave_trace(scope: str, wave: Wave) -> Iterator[str]:
    """A signal; where its point is out of reach of a shift it is shown as the integer, and says so."""
    if wave.format is None:
        yield f"@{_RIGHT | (_DECIMAL if wave.counts else _BINARY):x}"
        yield f"{scope}.{wave.name}{wave.range}"
        return
    shift = wave.format.fraction
    sign = _SIGNED if wave.is_signed else _DECIMAL
    scaled = 0 < shift <= MOST_SHIFT
    yield f"@{_RIGHT | sign | (_SHIFTED if scaled else 0):x}"
    if scaled:
        yield f"[fpshift_count] {shift}"
    elif shift:
        yield f"+{{{wave.name} * 2^{-shift}}} {scope}.{wave.name}{wave.range}"
        return
    yield f"{scope}.{wave.name}{wave.range}"


def surfer_view(views: Sequence[tuple[str, View]]) -> str:
    """A command file of Surfer, after its own parser of commands; a divider's name is one word."""
    lines: list[str] = []
    for place, view in views:
        for scope in view.scopes:
            lines += _surfer_scope(place, view, scope, len(views) > 1)
    return "\n".join([*lines, "zoom_fit", ""])


def _surfer_scope(place: str, view: View, scope: Scope, several: bool) -> Iterator[str]:
    for stage in scope.stages:
        yield f"divider_add {f'{view.top}:' if several else ''}{divider(scope, stage)}"
        for wave in stage.waves:
            yield f"variable_add {place}.{INSTANCE}.{scope.scope}.{wave.name}"
            if wave.format is not None:  # of the item that was added last
                yield f"item_set_format {'Signed' if wave.is_signed else 'Unsigned'} fixed point"


def divider(scope: Scope, stage: Stage) -> str:
    """A divider's name: one word, as Surfer's command takes it."""
    return f"{scope.name}:{stage.name}".replace(" ", "_")
