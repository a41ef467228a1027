"""The features of silero-vad: each part against PyTorch, the whole by what the network says about sounds."""

from __future__ import annotations

import functools
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from examples import silero_features as silero
from rnngen.errors import DataError, ToolError
from rnngen.frontend import load, run_reference
from rnngen.ir.network import Network

alsa = pytest.mark.skipif(not silero.ALSA_FOLDER.is_dir(), reason="alsa-utils is not installed")


@pytest.fixture(scope="module")
def tensors() -> silero.Tensors:
    return silero.load_tensors()


@pytest.fixture(autouse=True)
def no_sound_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(silero.SOUND_VARIABLE, raising=False)


@functools.cache
def network() -> Network:
    return load(silero.model_file())


def voice(samples: np.ndarray, tensors: silero.Tensors) -> np.ndarray:
    hidden = run_reference(network(), silero.lstm_inputs(samples, tensors)).output
    return silero.voice_probability(hidden, tensors)[0]


def level(samples: np.ndarray) -> np.ndarray:
    whole = samples[: len(samples) // silero.CHUNK * silero.CHUNK]
    return np.sqrt((whole.reshape(-1, silero.CHUNK) ** 2).mean(axis=1))


def write_wav(path: Path, data: bytes, width: int = 2, channels: int = 1, rate: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


# ---------------------------------------------------------------------------------------------------- network


@pytest.mark.parametrize("taps, stride, padding", [(1, 1, 0), (3, 1, 1), (3, 2, 1), (5, 3, 2), (16, 8, 0)])
def test_convolution_is_that_of_pytorch(taps, stride, padding):
    random = np.random.default_rng(taps)
    x, weight, bias = random.normal(size=(2, 3, 37)), random.normal(size=(4, 3, taps)), random.normal(size=4)
    for given in (None, bias):
        there = None if given is None else torch.from_numpy(given)
        expected = torch.nn.functional.conv1d(
            torch.from_numpy(x), torch.from_numpy(weight), there, stride=stride, padding=padding
        )
        assert np.abs(silero.conv1d(x, weight, given, stride, padding) - expected.numpy()).max() < 1e-12


def test_front_is_that_of_pytorch_chunk_after_chunk(tensors):
    """As the package's own model (tinygrad_model.py) computes it, which holds the last 64 samples as context."""
    t = {name: torch.from_numpy(value) for name, value in tensors.items()}
    samples = 0.1 * np.random.default_rng(1).normal(size=3 * 512 + 100)
    padded = torch.from_numpy(np.concatenate([samples, np.zeros(412)]))
    context, expected = torch.zeros(64, dtype=torch.float64), []
    for chunk in padded.split(512):
        x = torch.cat([context, chunk])[None, None]
        context = chunk[-64:]
        x = torch.nn.functional.pad(x, (0, 64), mode="reflect")
        x = torch.nn.functional.conv1d(x, t["stft_conv.weight"], stride=128)
        x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
        for layer, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
            x = torch.nn.functional.conv1d(x, t[f"{layer}.weight"], t[f"{layer}.bias"], stride=stride, padding=1).relu()
        assert x.shape == (1, 128, 1)
        expected.append(x[0, :, 0].numpy())
    inputs = silero.lstm_inputs(samples, tensors)
    assert inputs.shape == (1, 4, 128)
    assert np.abs(inputs[0] - np.stack(expected)).max() < 1e-10


def test_blocks_do_not_show(tensors, monkeypatch):
    samples = 0.1 * np.random.default_rng(2).normal(size=5 * 512)
    whole = silero.lstm_inputs(samples, tensors)
    monkeypatch.setattr(silero, "_BLOCK", 2)
    assert np.abs(silero.lstm_inputs(samples, tensors) - whole).max() < 1e-12


def test_last_layer_is_that_of_pytorch(tensors):
    hidden = np.random.default_rng(3).uniform(-1, 1, (2, 5, 128))
    t = {name: torch.from_numpy(value) for name, value in tensors.items()}
    x = torch.from_numpy(hidden).transpose(1, 2).relu()
    expected = torch.nn.functional.conv1d(x, t["final_conv.weight"], t["final_conv.bias"]).sigmoid()[:, 0].numpy()
    assert np.abs(silero.voice_probability(hidden, tensors) - expected).max() < 1e-14


def test_no_voice_in_silence_and_noise(tensors):
    noise = np.random.default_rng(4).normal(size=40 * 512)
    for samples in (np.zeros(40 * 512), 1e-3 * noise, 0.05 * noise):
        assert voice(samples, tensors).max() < 0.15


def check_speech(samples: np.ndarray, tensors: silero.Tensors) -> int:
    """Voice where it is loud, none where it is quiet in this frame and the six before; how many such quiet frames."""
    energy = level(samples)
    heard = voice(samples, tensors)[: len(energy)]
    quiet = np.convolve(energy > 0.003, np.ones(7))[: len(energy)] == 0
    assert heard[energy > 0.02].mean() > 0.8
    assert heard[quiet].max() < 0.5
    return int(quiet.sum())


@alsa
@pytest.mark.parametrize("file", sorted(silero.ALSA_FOLDER.glob("*_*.wav")), ids=lambda file: file.stem)
def test_voice_in_speech_and_none_in_its_pauses(file, tensors):
    assert check_speech(silero.load_sound(file).samples, tensors) > 0


@alsa
def test_no_voice_in_recorded_noise(tensors):
    assert voice(silero.load_sound(silero.ALSA_FOLDER / "Noise.wav").samples, tensors).max() < 0.2


def test_synthetic_sound_works_the_network_as_speech_does(tensors):
    assert check_speech(silero.synthetic_sound().samples, tensors) > 20


# ------------------------------------------------------------------------------------------------------ sound


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_width_of_wav(tmp_path, width):
    samples = np.array([[0, -0.5], [0.5, 0.25], [-1, -1], [0.25, 0.75]])
    full = 2 ** (8 * width - 1)
    numbers = (samples * full).astype(np.int64) + (128 if width == 1 else 0)
    data = b"".join(int(v).to_bytes(width, "little", signed=width > 1) for v in numbers.ravel())
    read, rate = silero.read_wav(write_wav(tmp_path / "a.wav", data, width, channels=2, rate=44_100))
    assert rate == 44_100
    assert np.array_equal(read, samples.mean(axis=1))


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_resampling_keeps_a_tone_in_its_place(rate):
    count = rate // 4
    result = silero.resample(np.sin(2 * np.pi * 1000 * np.arange(count) / rate), rate)
    assert len(result) == -(-count * 16_000 // rate)
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(result)) / 16_000)
    assert np.abs(result - expected)[500:-500].max() < 3e-4


def test_resampling_removes_what_16_khz_cannot_hold():
    tones = np.sin(2 * np.pi * np.array([[8_050], [10_000], [15_000], [23_000]]) * np.arange(12_000) / 48_000)
    for tone in tones:
        assert np.abs(silero.resample(tone, 48_000)[500:-500]).max() < 5e-4


def test_sound_given_then_named_then_installed_then_synthetic(tmp_path, monkeypatch):
    given = write_wav(tmp_path / "given.wav", bytes(2 * 1600))
    named = write_wav(tmp_path / "named.wav", bytes(2 * 3200))
    folder = tmp_path / "alsa"
    folder.mkdir()
    monkeypatch.setattr(silero, "ALSA_FOLDER", folder)
    sound = silero.load_sound()
    assert (sound.synthetic, len(sound.samples)) == (True, 300 * 512)
    assert "synthetic" in sound.description
    assert np.array_equal(sound.samples, silero.synthetic_sound().samples)
    for name in ("One.wav", "Two.wav"):
        write_wav(folder / name, bytes(2 * 4800), rate=48_000)
    sound = silero.load_sound()
    assert (sound.synthetic, len(sound.samples)) == (False, 3200)
    assert sound.description == "2 recordings of Debian's alsa-utils (One, Two), 0.2 s"
    monkeypatch.setenv(silero.SOUND_VARIABLE, str(named))
    assert silero.load_sound().description == "recording named.wav, 0.2 s"
    assert silero.load_sound(given).description == "recording given.wav, 0.1 s"


def test_frames_up_to_a_limit(tmp_path):
    path = write_wav(tmp_path / "a.wav", bytes(2 * 512 * 5 + 2))
    assert silero.frames(path).inputs.shape == (1, 6, 128)
    made = silero.frames(path, limit=4)
    assert made.inputs.shape == (1, 4, 128)
    assert (made.description, made.synthetic) == ("recording a.wav, 0.2 s, the first 4 frames of it", False)
    assert np.array_equal(made.inputs, silero.frames(path).inputs[:, :4])
    assert silero.frames(path, limit=6).description == "recording a.wav, 0.2 s"
    with pytest.raises(DataError, match=r"^The limit must be at least 1 frame, but it is 0\.$"):
        silero.frames(path, limit=0)


def test_each_fault_of_a_file_has_its_sentence(tmp_path):
    def fails(path: Path, message: str) -> None:
        with pytest.raises(DataError, match=message):
            silero.load_sound(path)

    fails(tmp_path / "none.wav", r"none.wav' cannot be read: No such file")
    fails(tmp_path, r"cannot be read: Is a directory")
    text = tmp_path / "text.wav"
    text.write_text("this is no sound at all")
    fails(text, r"is not a PCM WAV file \(file does not start with RIFF id\); convert it with")
    text.write_bytes(b"")
    fails(text, r"is not a PCM WAV file \(it ends too early\)")
    fails(write_wav(tmp_path / "empty.wav", b""), r"holds no samples\.$")
    fails(write_wav(tmp_path / "slow.wav", bytes(20), rate=100), r"a sampling rate of 100 Hz, but must have 4000 to")


def test_truncated_file_gives_what_it_holds(tmp_path):
    path = write_wav(tmp_path / "a.wav", bytes(range(100)))
    path.write_bytes(path.read_bytes()[:-3])
    assert len(silero.read_wav(path)[0]) == 48


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((2, 512)), np.full(512, np.nan)])
def test_samples_that_are_no_sound(samples, tensors):
    with pytest.raises(DataError, match=r"^A sound must be one row of finite samples"):
        silero.lstm_inputs(samples, tensors)


def test_missing_package_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ToolError, match=r"not installed; run 'pip install --no-deps silero-vad==6\.2\.3'\.$"):
        silero.model_file()


def test_script_writes_the_frames(tmp_path, capsys):
    sound = write_wav(tmp_path / "a.wav", bytes(2 * 512 * 3))
    assert silero.main(["-o", str(tmp_path / "x.npy"), "--sound", str(sound)]) == 0
    assert np.load(tmp_path / "x.npy").shape == (1, 3, 128)
    assert "the float network hears a voice in 0" in capsys.readouterr().out
    assert silero.main(["-o", str(tmp_path / "y.npy"), "--sound", str(tmp_path / "none.wav")]) == 2
    assert not (tmp_path / "y.npy").exists()
    assert "cannot be read" in capsys.readouterr().err
