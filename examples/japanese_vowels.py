"""Train a small LSTM on real data, ready for rnngen: which of nine speakers says the vowels?

The data are JapaneseVowels (Kudo, Toyama and Shimbo, 1999; 12 channels, 7 to 29 steps) as the package
aeon ships them: ``pip install --no-deps aeon==1.6.0``.  Then

    python examples/japanese_vowels.py -o vowels
    rnngen generate vowels/japanese_vowels.pt --head head --calibrate vowels/train_features.npy -o design

or, all in one: a table of the accuracy of the float network, of the emulator and of the simulated circuit, with the
cycles of a step; the accuracy of narrower weights; and a drawing of both:

    python examples/japanese_vowels.py -o vowels --design design --widths 2 3 4 6 8 --plot vowels/accuracy.svg

The folder given by -o receives

    japanese_vowels.pt    state dict: ``lstm.*`` (12 -> 32) and ``head.*`` (32 -> 9)
    features.npy          test set, normalised, (sequences, steps, 12), zeros after the end of a sequence
    lengths.npy           steps of each test sequence
    labels.npy            speaker of each test sequence, 0..8
    train_features.npy    training set, for calibration, as features.npy
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from rnngen.errors import DataError, RnngenError, ToolError, VerificationError
from rnngen.flow import GenerateOptions, emulate, generate, simulate
from rnngen.frontend import ImportOptions

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SPEAKERS = 9
CHANNELS = 12
BATCH = 30


@dataclass(frozen=True, eq=False)
class Split:
    """Sequences padded with zeros at their end.

    Attributes:
        features: (sequences, steps, channels).
        lengths: Valid steps of each sequence.
        labels: Speaker of each sequence, 0..8.
    """

    features: FloatArray
    lengths: IntArray
    labels: IntArray


class Classifier(torch.nn.Module):
    """An LSTM and a Linear head on every step; the last valid step decides."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(CHANNELS, hidden, batch_first=True)
        self.head = torch.nn.Linear(hidden, SPEAKERS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (sequences, steps, speakers) of x (sequences, steps, channels)."""
        scores: torch.Tensor = self.head(self.lstm(x)[0])
        return scores


def _data_folder() -> Path:
    spec = importlib.util.find_spec("aeon")  # found, not imported: only its files are wanted
    if spec is None or spec.origin is None:
        raise ToolError(
            "The data set needs the package aeon, which is not installed; run 'pip install --no-deps aeon==1.6.0'."
        )
    return Path(spec.origin).parent / "datasets" / "data" / "JapaneseVowels"


def read_ts(path: Path) -> Split:
    """A ``.ts`` file: after ``@data`` a sequence a line, channels and label separated by colons.

    Raises:
        DataError: if the file is missing.
    """
    if not path.is_file():
        raise DataError(f"Data file '{path.name}' is not in '{path.parent}'; reinstall aeon==1.6.0.")
    text = path.read_text(encoding="utf-8").partition("@data")[2]
    sequences, labels = [], []
    for line in text.split("\n"):
        if line.strip():
            *channels, label = line.strip().split(":")
            sequences.append(np.array([[float(value) for value in channel.split(",")] for channel in channels]).T)
            labels.append(int(label) - 1)
    lengths = np.array([len(sequence) for sequence in sequences])
    features = np.zeros((len(sequences), int(lengths.max()), CHANNELS))
    for row, sequence in zip(features, sequences):
        row[: len(sequence)] = sequence
    return Split(features, lengths, np.array(labels))


def _valid(split: Split) -> npt.NDArray[np.bool_]:
    """(sequences, steps): which steps are no padding."""
    return np.arange(split.features.shape[1]) < split.lengths[:, None]


def load_data() -> tuple[Split, Split]:
    """Training set (270 sequences) and test set (370), normalised by the training mean and deviation of each channel.

    Raises:
        ToolError: if aeon is not installed.
        DataError: if a data file is missing.
    """
    train, test = (read_ts(_data_folder() / f"JapaneseVowels_{name}.ts") for name in ("TRAIN", "TEST"))
    steps = train.features[_valid(train)]
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)

    def normalise(split: Split) -> Split:
        features = (split.features - mean) / deviation * _valid(split)[..., None]
        return Split(features, split.lengths, split.labels)

    return normalise(train), normalise(test)


def accuracy(scores: npt.ArrayLike, split: Split) -> float:
    """Part of the sequences whose last valid step has its highest score at the label; scores (sequences, steps, 9)."""
    last = np.asarray(scores)[np.arange(len(split.lengths)), split.lengths - 1]
    return float(np.mean(last.argmax(axis=1) == split.labels))


def fit(
    model: torch.nn.Module,
    data: Split,
    epochs: int,
    rate: float,
    seed: int = 0,
    forward: Callable[[torch.Tensor], torch.Tensor] | None = None,
    behind_step: Callable[[], None] | None = None,
) -> None:
    """The training loop: Adam, batches of ``BATCH`` sequences, the last valid step's score; the rate falls as a cosine.

    Args:
        model: Its parameters are trained.
        data: Training set.
        epochs: Passes over it.
        rate: At the start.
        seed: Of the order of the sequences.
        forward: Scores (sequences, steps, speakers) of x (sequences, steps, channels); None: the model's own.
        behind_step: Called behind each step of the optimiser.
    """
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    features = torch.from_numpy(data.features).float()
    last, labels = torch.from_numpy(data.lengths) - 1, torch.from_numpy(data.labels)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels), generator=order).split(BATCH):
            scores = (forward or model)(features[batch])[torch.arange(len(batch)), last[batch]]
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(scores, labels[batch]).backward()
            optimiser.step()
            if behind_step is not None:
                behind_step()
        schedule.step()


def train(data: Split, hidden: int = 32, epochs: int = 30, seed: int = 0) -> Classifier:
    """A trained classifier; the same arguments give the same one. Sets PyTorch to one thread.

    Args:
        data: Training set.
        hidden: H of the LSTM.
        epochs: Passes over the training set, in batches of 30 sequences.
        seed: Of the initial weights and of the order of the sequences.
    """
    torch.set_num_threads(1)  # faster for so small a network, and the same result on any number of cores
    torch.manual_seed(seed)
    model = Classifier(hidden)
    fit(model, data, epochs, 5e-3, seed)
    return model.eval()


def evaluate(model: Classifier, split: Split) -> float:
    """Accuracy of the float network."""
    with torch.no_grad():
        return accuracy(model(torch.from_numpy(split.features).float()).numpy(), split)


def save(folder: Path, model: Classifier, training: Split, test: Split) -> None:
    """Write the files that the head of this file lists."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "japanese_vowels.pt")
    for name, array in (
        ("features", test.features),
        ("lengths", test.lengths),
        ("labels", test.labels),
        ("train_features", training.features),
    ):
        np.save(folder / f"{name}.npy", array)


@dataclass(frozen=True)
class Compared:
    """One network beside another.

    Attributes:
        name: Which.  accuracy: On the test set.
        cycles: Of a step; None for the float network.  sqnr_db: Of all outputs, against the float network.
    """

    name: str
    accuracy: float
    cycles: float | None = None
    sqnr_db: float | None = None


def options_of(training: Split, multipliers: int, weight_bits: int = 8) -> GenerateOptions:
    """What the accelerator is generated with."""
    return GenerateOptions(
        imports=ImportOptions(head="head"),
        calibrate=training.features,
        calibration="JapaneseVowels, training set",
        multipliers=multipliers,
        weight_bits=weight_bits,
    )


def compare(model: Path, training: Split, test: Split, design: Path, multipliers: int = 128) -> list[Compared]:
    """The emulated and the simulated accelerator; they give the same numbers, so they are equally right.

    Args:
        model: ``japanese_vowels.pt``.
        design: Folder to write.

    Raises:
        VerificationError: if circuit and emulator differ.
    """
    made = generate(model, design, options_of(training, multipliers))
    emulated = emulate(made, test.features)
    simulated = simulate(made, test.features, description="JapaneseVowels, test set", progress=print)
    if simulated.output is None or not simulated.comparison.cycle_exact:
        raise VerificationError(simulated.comparison.sentence or "Circuit and emulator differ.")
    measured = simulated.figures["step_interval_cycles"]
    return [
        Compared("emulated", accuracy(emulated.output, test), made.plan.interval, emulated.error.sqnr_db),
        Compared("simulated", accuracy(simulated.output, test), measured, simulated.figures["float_sqnr_db"]),
    ]


def narrowed(
    model: Path, training: Split, test: Split, folder: Path, widths: Sequence[int], multipliers: int = 128
) -> list[Compared]:
    """The emulated accelerator with weights of other widths, each generated into a folder below ``folder``."""
    found = []
    for bits in widths:
        made = generate(model, folder / f"weights_{bits}", options_of(training, multipliers, bits))
        emulated = emulate(made, test.features)
        name = f"emulated, {bits}-bit weights"
        found.append(Compared(name, accuracy(emulated.output, test), made.plan.interval, emulated.error.sqnr_db))
    return found


def table(rows: Sequence[Compared]) -> list[str]:
    """Lines of a table."""
    lines = [f"{'':<24} {'accuracy':>8} {'cycles a step':>13} {'SQNR':>8}"]
    for row in rows:
        cycles = "-" if row.cycles is None else f"{row.cycles:g}"
        sqnr = "-" if row.sqnr_db is None else f"{row.sqnr_db:.1f} dB"
        lines.append(f"{row.name:<24} {row.accuracy:>8.4f} {cycles:>13} {sqnr:>8}")
    return lines


def plot(rows: Sequence[Compared], path: Path) -> None:
    """Draws the accuracies as bars, from 0 to 1, into an SVG."""
    height, left, width = 26, 190, 360
    bars = []
    for number, row in enumerate(rows):
        y = 10 + number * height
        bars.append(
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{row.name}</text>'
            f'<rect x="{left}" y="{y}" width="{width * row.accuracy:.1f}" height="{height - 8}" fill="#2468c4"/>'
            f'<text x="{left + width * row.accuracy + 6:.1f}" y="{y + 14}">{row.accuracy:.3f}</text>'
        )
    size = f'width="{left + width + 60}" height="{20 + height * len(rows)}"'
    style = "<style>text { font: 13px sans-serif; }</style>"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{"".join(bars)}</svg>\n', encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Train, print the test accuracy, write the files."""
    parser = argparse.ArgumentParser(description="Train a small LSTM on JapaneseVowels.")
    parser.add_argument("-o", "--output", type=Path, default=Path("vowels"), help="folder for the files")
    parser.add_argument("--hidden", type=int, default=32, help="hidden units (default 32)")
    parser.add_argument("--epochs", type=int, default=30, help="passes over the training set (default 30)")
    parser.add_argument("--design", type=Path, help="folder to write: generate, emulate and simulate the accelerator")
    parser.add_argument("--widths", type=int, nargs="+", default=[], help="weight widths to compare, emulated")
    parser.add_argument("--plot", type=Path, help="SVG of the accuracies to write")
    options = parser.parse_args(arguments)
    try:
        training, test = load_data()
        model = train(training, options.hidden, options.epochs)
        save(options.output, model, training, test)
        rows, file = [Compared("float", evaluate(model, test))], options.output / "japanese_vowels.pt"
        if options.design is not None:
            rows += compare(file, training, test, options.design)
        rows += narrowed(file, training, test, options.output, options.widths)
        if options.plot is not None:
            plot(rows, options.plot)
    except (RnngenError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"test accuracy {rows[0].accuracy:.4f} on {len(test.labels)} sequences; files in {options.output}")
    print("\n".join(table(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
