"""What the LSTM of silero-vad is fed: its own features, computed from real sound.

The network is the voice activity detector of ``pip install --no-deps silero-vad==6.2.3`` (MIT), 16 kHz.  Its
front (a short-time Fourier transform and four convolutions) is computed here in NumPy float64, its LSTM is what
rnngen makes an accelerator of, and ``voice_probability`` is its last layer.  A frame is 512 samples, 32 ms.

    python examples/silero_features.py -o frames.npy [--sound speech.wav]
    rnngen generate .../silero_vad/data/silero_vad_16k.safetensors --calibrate frames.npy -o design

The sound is, in this order: the WAV file given, the one named by the environment variable RNNGEN_SOUND, the
spoken phrases of Debian's package alsa-utils, and, where none of these is to be had, a synthetic signal.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import sys
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from rnngen.errors import DataError, RnngenError, ToolError
from rnngen.frontend import load, run_reference

FloatArray = npt.NDArray[np.float64]
Tensors = Mapping[str, FloatArray]

SAMPLE_RATE = 16_000
CHUNK = 512  # samples a frame brings
CONTEXT = 64  # samples of the frame before, put in front
REFLECTED = 64  # samples mirrored at the end
STFT_STRIDE = 128
ENCODER_STRIDES = (1, 2, 2, 1)  # conv1 to conv4: four spectra become one vector

SOUND_VARIABLE = "RNNGEN_SOUND"
ALSA_FOLDER = Path("/usr/share/sounds/alsa")

_BLOCK = 1024  # frames computed at once, which bounds the memory
_RATES = (4_000, 768_000)
_ZERO_CROSSINGS = 64  # of the resampling kernel, each side
_KAISER_BETA = 8.0  # 80 dB; with 64 crossings the stop band begins at the Nyquist frequency
_PASS_BAND = 0.96  # middle of the transition, as part of the Nyquist frequency


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound at 16 kHz.

    Attributes:
        samples: (samples,), one channel, full scale is 1.
        description: Where it comes from, for a report.
        synthetic: Whether it was computed and not recorded.
    """

    samples: FloatArray
    description: str
    synthetic: bool


@dataclass(frozen=True, eq=False)
class Frames:
    """Input of the LSTM.

    Attributes:
        inputs: (1, frames, 128).
        description: Which sound it was computed from, for a report.
        synthetic: Whether that sound was computed and not recorded.
    """

    inputs: FloatArray
    description: str
    synthetic: bool


def model_file() -> Path:
    """The parameters inside the installed package silero-vad, found without importing it.

    Raises:
        ToolError: if it is not installed, or another version that does not hold the file.
    """
    install = "run 'pip install --no-deps silero-vad==6.2.3'"
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise ToolError(f"The network needs the package silero-vad, which is not installed; {install}.")
    path = Path(spec.origin).parent / "data" / "silero_vad_16k.safetensors"
    if not path.is_file():
        raise ToolError(f"File '{path.name}' is not in '{path.parent}'; {install}.")
    return path


def load_tensors(path: Path | None = None) -> dict[str, FloatArray]:
    """All parameters of the network by name, in float64; those of ``model_file()`` if no path is given."""
    return {name: array.astype(np.float64) for name, array in load_file(path or model_file()).items()}


# ------------------------------------------------------------------------------------------------------ sound


def read_wav(path: Path) -> tuple[FloatArray, int]:
    """Samples (full scale is 1, channels averaged) and sampling rate of a PCM WAV file of 8, 16, 24 or 32 bits.

    Raises:
        DataError: if the file is missing, damaged, empty, or of another kind.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except OSError as error:
        raise DataError(f"Sound '{path}' cannot be read: {error.strerror or error}.") from error
    except (wave.Error, EOFError) as error:
        reason = str(error) or "it ends too early"
        raise DataError(
            f"Sound '{path}' is not a PCM WAV file ({reason}); convert it with 'sox IN -e signed -b 16 OUT.wav'."
        ) from error
    if width not in (1, 2, 3, 4):
        raise DataError(f"Sound '{path}' has {8 * width} bits a sample, but must have 8, 16, 24 or 32.")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise DataError(f"Sound '{path}' has a sampling rate of {rate} Hz, but must have {_RATES[0]} to {_RATES[1]}.")
    count = len(data) // (width * channels)  # a truncated file may end inside a sample
    if count == 0:
        raise DataError(f"Sound '{path}' holds no samples.")
    raw = np.frombuffer(data, np.uint8, count * channels * width).reshape(count, channels, width)
    if width == 1:  # the only unsigned format
        samples = (raw[..., 0].astype(np.float64) - 128) / 128
    else:  # to the top of 32 bits, so that the sign comes along
        wide = np.zeros((count, channels, 4), np.uint8)
        wide[..., 4 - width :] = raw
        samples = wide.view("<i4")[..., 0] / 2.0**31
    return samples.mean(axis=1), rate


def resample(samples: FloatArray, rate: int) -> FloatArray:
    """The same sound at 16 kHz, through a low-pass (sinc with a Kaiser window) at the lower Nyquist frequency."""
    if rate == SAMPLE_RATE:
        return samples
    divisor = math.gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // divisor, rate // divisor  # output n lies at input position n * down / up
    cutoff = _PASS_BAND * min(1.0, SAMPLE_RATE / rate)
    reach = math.ceil(_ZERO_CROSSINGS / cutoff)
    count = -(-len(samples) * up // down)
    padded = np.pad(samples, (reach, reach + down))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    result = np.empty(count)
    for phase in range(min(up, count)):
        first, remainder = divmod(phase * down, up)
        distance = np.arange(-reach, reach + 1) - remainder / up
        window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (distance / (reach + 1)) ** 2, 0, 1)))
        kernel = np.sinc(cutoff * distance) * window
        result[phase::up] = windows[first::down][: len(result[phase::up])] @ (kernel / kernel.sum())
    return result


# First three formants of men's a i u e o in Hz (Peterson and Barney, 1952).
_VOWELS = (
    (730.0, 1090.0, 2440.0),
    (270.0, 2290.0, 3010.0),
    (300.0, 870.0, 2240.0),
    (530.0, 1840.0, 2480.0),
    (570.0, 840.0, 2410.0),
)


def _formants(frequency: FloatArray, centres: tuple[float, ...]) -> FloatArray:
    """Gain of a vowel at the frequencies: resonances over the falling spectrum of the voice."""
    widths, levels = (90.0, 110.0, 170.0), (1.0, 0.6, 0.3)
    gain = sum(level / (1 + ((frequency - at) / width) ** 2) for at, width, level in zip(centres, widths, levels))
    return np.asarray(gain / np.sqrt(1 + (frequency / 500) ** 2))


def synthetic_sound(frames: int = 300, seed: int = 0) -> Sound:
    """A signal with the marks of speech, the same for the same arguments.

    Words of two to four syllables, each a burst of noise and a vowel whose pitch falls and whose formants glide to
    the next vowel, with pauses between the words, over faint noise.
    """
    random = np.random.default_rng(seed)
    samples = 1e-3 * random.standard_normal(frames * CHUNK)
    harmonics = np.arange(1, 41)[:, None]
    position = SAMPLE_RATE // 4
    while position < len(samples):
        pitch = random.uniform(100, 180)
        for _ in range(random.integers(2, 5)):
            burst = random.standard_normal(int(SAMPLE_RATE * random.uniform(0.04, 0.08)))
            burst = np.diff(burst, prepend=0.0) * np.hanning(len(burst))  # more of the high frequencies
            length = int(SAMPLE_RATE * random.uniform(0.12, 0.25))
            time = np.linspace(0, 1, length)
            start, end = (_VOWELS[index] for index in random.choice(len(_VOWELS), 2, replace=False))
            tremor = 1 + 0.01 * np.sin(2 * np.pi * 5 * length / SAMPLE_RATE * time)  # 5 Hz
            frequency = pitch * (1.1 - 0.2 * time) * tremor  # 40 harmonics stay below 8 kHz
            phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
            tones = harmonics * frequency
            gains = (1 - time) * _formants(tones, start) + time * _formants(tones, end)
            vowel = (gains * np.sin(harmonics * phase)).sum(axis=0)
            vowel *= np.sin(np.pi * time) ** 0.5 / np.abs(vowel).max()
            for piece, level in ((burst, 0.04), (vowel, 0.35)):
                part = samples[position : position + len(piece)]
                part += level * piece[: len(part)]
                position += len(piece)
            pitch *= 0.95
        position += int(SAMPLE_RATE * random.uniform(0.3, 0.7))
    seconds = len(samples) / SAMPLE_RATE
    return Sound(samples, f"synthetic signal that resembles speech, {seconds:.1f} s, no recording", synthetic=True)


def load_sound(path: Path | None = None) -> Sound:
    """The sound at 16 kHz that the head of this file describes.

    Args:
        path: WAV file; without it the first that is found.

    Raises:
        DataError: if the file given, or named by RNNGEN_SOUND, or one of alsa-utils, cannot be read.
    """
    named = os.environ.get(SOUND_VARIABLE)
    if path is None and named:
        path = Path(named)
    if path is not None:
        samples = resample(*read_wav(path))
        return Sound(samples, f"recording {path.name}, {len(samples) / SAMPLE_RATE:.1f} s", synthetic=False)
    files = sorted(ALSA_FOLDER.glob("*.wav"))
    if not files:
        return synthetic_sound()
    samples = np.concatenate([resample(*read_wav(file)) for file in files])
    what = f"{len(files)} recordings of Debian's alsa-utils ({', '.join(file.stem for file in files)})"
    return Sound(samples, f"{what}, {len(samples) / SAMPLE_RATE:.1f} s", synthetic=False)


# ---------------------------------------------------------------------------------------------------- network


def conv1d(
    x: FloatArray, weight: FloatArray, bias: FloatArray | None = None, stride: int = 1, padding: int = 0
) -> FloatArray:
    """The convolution of ``torch.nn.functional.conv1d``.

    Args:
        x: (batch, channels in, time).
        weight: (channels out, channels in, taps).
        bias: (channels out,).
        stride: Time steps from one output to the next.
        padding: Zeros put at both ends.

    Returns:
        (batch, channels out, time out).
    """
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2], axis=2)[:, :, ::stride]
    result = np.tensordot(windows, weight, axes=((1, 3), (1, 2))).transpose(0, 2, 1)
    return result if bias is None else result + bias[:, None]


def chunks(samples: FloatArray) -> FloatArray:
    """(frames, 576): 512 new samples each behind the last 64 of the chunk before; zeros before and after the sound."""
    count = -(-len(samples) // CHUNK)
    padded = np.pad(samples, (CONTEXT, count * CHUNK - len(samples)))
    return np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + CHUNK)[::CHUNK]


def _encode(pieces: FloatArray, tensors: Tensors) -> FloatArray:
    """(frames, 576) to (frames, 128)."""
    basis = tensors["stft_conv.weight"]
    x = np.pad(pieces, ((0, 0), (0, REFLECTED)), mode="reflect")[:, None]
    x = conv1d(x, basis, stride=STFT_STRIDE)
    real, imaginary = np.split(x, [len(basis) // 2], axis=1)
    x = np.hypot(real, imaginary)
    for number, stride in enumerate(ENCODER_STRIDES, start=1):
        layer = f"conv{number}"
        x = np.maximum(conv1d(x, tensors[f"{layer}.weight"], tensors[f"{layer}.bias"], stride, padding=1), 0)
    return x[:, :, 0]


def lstm_inputs(samples: FloatArray, tensors: Tensors) -> FloatArray:
    """What enters the LSTM cell at every frame.

    Args:
        samples: (samples,) at 16 kHz; a last incomplete frame is filled with zeros.
        tensors: The network's parameters, as of ``load_tensors``.

    Returns:
        (1, frames, 128), not negative.

    Raises:
        DataError: if there are no samples, or they are not finite or not in one dimension.
    """
    if samples.ndim != 1 or samples.size == 0 or not np.isfinite(samples).all():
        raise DataError(f"A sound must be one row of finite samples, but it has the shape {samples.shape}.")
    pieces = chunks(samples.astype(np.float64))
    blocks = [_encode(pieces[start : start + _BLOCK], tensors) for start in range(0, len(pieces), _BLOCK)]
    return np.concatenate(blocks)[None]


def voice_probability(hidden: FloatArray, tensors: Tensors) -> FloatArray:
    """The network's last layer: hidden states (..., 128) of the LSTM to probabilities (...) that a voice is heard."""
    logits = np.maximum(hidden, 0) @ tensors["final_conv.weight"][0, :, 0] + tensors["final_conv.bias"][0]
    return np.asarray((1 + np.tanh(logits / 2)) / 2)


def frames(path: Path | None = None, limit: int | None = None) -> Frames:
    """The LSTM's input for a sound.

    Args:
        path: WAV file; without it the first sound that ``load_sound`` finds.
        limit: How many frames at most, counted from the start; without it all.

    Raises:
        ToolError: if silero-vad is not installed.
        DataError: if the sound cannot be read, or the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise DataError(f"The limit must be at least 1 frame, but it is {limit}.")
    tensors = load_tensors()
    sound = load_sound(path)
    samples = sound.samples if limit is None else sound.samples[: limit * CHUNK]
    inputs = lstm_inputs(samples, tensors)
    cut = "" if len(samples) == len(sound.samples) else f", the first {inputs.shape[1]} frames of it"
    return Frames(inputs, sound.description + cut, sound.synthetic)


def main(arguments: list[str] | None = None) -> int:
    """Write the frames, print where they come from and in how many the float network hears a voice."""
    parser = argparse.ArgumentParser(description="Input of silero-vad's LSTM, from sound.")
    parser.add_argument("-o", "--output", type=Path, default=Path("silero_frames.npy"), help="file to write")
    parser.add_argument("--sound", type=Path, help="WAV file (default: RNNGEN_SOUND, alsa-utils, or synthetic)")
    parser.add_argument("--limit", type=int, help="how many frames at most (default: all)")
    options = parser.parse_args(arguments)
    try:
        made = frames(options.sound, options.limit)
        np.save(options.output, made.inputs)
        hidden = run_reference(load(model_file()), made.inputs).output
    except (RnngenError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    voice = voice_probability(hidden, load_tensors()) > 0.5
    print(f"sound: {made.description}")
    print(f"{voice.size} frames in {options.output}; the float network hears a voice in {int(voice.sum())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
