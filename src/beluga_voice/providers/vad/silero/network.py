"""Silero's network in numpy: the same answers as onnxruntime's (within 1e-5), for less.

Spectrum of four frames, four convolutions, one LSTM step, one output. Measured 2026-11 on one core, µs of CPU a window:

==================  ====  ====  ====  ====  ====  ====
windows at a time      1     2     4     8    16    64
==================  ====  ====  ====  ====  ====  ====
this                  60    37    27    20    18    13
onnxruntime 1.31      80    55    45    41    38    35
==================  ====  ====  ====  ====  ====  ====

Matrix products are stacked so that each one is too small for OpenBLAS to share it among threads (over 4 × 65,536
multiplications it does, and its waiting threads cost more than they help).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

__all__ = ["CONTEXT", "STATE", "WINDOW", "Network"]

Floats = NDArray[np.float32]

WINDOW = 512
# Samples of the window before, in front of each window.
CONTEXT = 64
# The LSTM's output and its cell, side by side.
STATE = 256

_FRAMES, _FRAME, _HOP, _BINS = 4, 256, 128, 129
# Each row of a stacked product holds this many windows.
_STACK = 2

_ENCODER = "model.encoder.{}.reparam_conv.{}"
_SHAPES: Mapping[str, tuple[int, ...]] = {
    "model.stft.forward_basis_buffer": (2 * _BINS, 1, _FRAME),
    _ENCODER.format(0, "weight"): (128, _BINS, 3),
    _ENCODER.format(0, "bias"): (128,),
    _ENCODER.format(1, "weight"): (64, 128, 3),
    _ENCODER.format(1, "bias"): (64,),
    _ENCODER.format(2, "weight"): (64, 64, 3),
    _ENCODER.format(2, "bias"): (64,),
    _ENCODER.format(3, "weight"): (128, 64, 3),
    _ENCODER.format(3, "bias"): (128,),
    "model.decoder.rnn.weight_ih": (512, 128),
    "model.decoder.rnn.weight_hh": (512, 128),
    "model.decoder.rnn.bias_ih": (512,),
    "model.decoder.rnn.bias_hh": (512,),
    "model.decoder.decoder.2.weight": (1, 128, 1),
    "model.decoder.decoder.2.bias": (1,),
}


class Network:
    """The network with room for a batch; for one thread at a time.

    Args:
        weights: tensors by the names they have in Silero's ONNX file for 16 kHz.
        size: windows in the largest batch.

    Attributes:
        audio: ``[size, 576]``: where `judge` reads context and window, −1 to 1.
        state: ``[size, 256]``: where it reads each speaker's state and leaves the next one.

    Raises:
        ValueError: if a tensor is missing or has another shape.
    """

    def __init__(self, weights: Mapping[str, Floats], size: int) -> None:
        for name, shape in _SHAPES.items():
            if name not in weights or weights[name].shape != shape:
                raise ValueError(f"not a Silero VAD model for 16 kHz: no tensor {name} of shape {shape}")
        basis = weights["model.stft.forward_basis_buffer"][:, 0].T
        self._real, self._imaginary = (np.ascontiguousarray(half) for half in np.split(basis, 2, axis=1))
        self._conv = [_convolution(weights, layer) for layer in range(4)]
        # Two frames after a frame of padding meet only two taps, a single frame between paddings only one.
        self._conv[2] = (np.ascontiguousarray(self._conv[2][0][64:]), self._conv[2][1])
        self._conv[3] = (np.ascontiguousarray(self._conv[3][0][64:128]), self._conv[3][1])
        self._gates, self._gates_bias = _gates(weights)
        self._out = np.ascontiguousarray(weights["model.decoder.decoder.2.weight"][0, :, 0])
        self._out_bias = float(weights["model.decoder.decoder.2.bias"][0])
        # The padding around these stays zero.
        self._padded = np.zeros((size, CONTEXT + WINDOW + CONTEXT), np.float32)
        self.audio = self._padded[:, : CONTEXT + WINDOW]
        self.state = np.zeros((size, STATE), np.float32)
        self._spectrum = np.zeros((size, _FRAMES + 2, _BINS), np.float32)
        self._hidden = np.zeros((size, _FRAMES + 2, 128), np.float32)
        self._lstm_in = np.zeros((size, 256), np.float32)

    def judge(self, count: int) -> Floats:
        """Speech probabilities ``[count]`` of the first ``count`` rows of `audio`; renews those of `state`."""
        features = self._features(count)
        state, lstm_in = self.state[:count], self._lstm_in[:count]
        lstm_in[:, :128] = features
        lstm_in[:, 128:] = state[:, :128]
        gates = _product(lstm_in[:, None], self._gates)
        gates += self._gates_bias
        np.tanh(gates, out=gates)
        three = gates[:, :384]  # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2; the halving is in the weights
        three *= 0.5
        three += 0.5
        cell = gates[:, 128:256] * state[:, 128:] + gates[:, :128] * gates[:, 384:]
        state[:, 128:] = cell
        output = np.multiply(gates[:, 256:384], np.tanh(cell), out=state[:, :128])
        logits = np.maximum(output, 0) @ self._out + self._out_bias
        return 1 / (1 + np.exp(-logits))

    def _features(self, count: int) -> Floats:
        padded = self._padded[:count]
        padded[:, CONTEXT + WINDOW :] = padded[:, CONTEXT + WINDOW - 2 : WINDOW - 2 : -1]  # reflected
        row, sample = padded.strides
        frames = np.ascontiguousarray(
            as_strided(padded, (count, _FRAMES, _FRAME), (row, _HOP * sample, sample), writeable=False)
        )
        real, imaginary = _product(frames, self._real), _product(frames, self._imaginary)
        np.square(real, out=real)
        np.square(imaginary, out=imaginary)
        real += imaginary
        spectrum, hidden = self._spectrum[:count], self._hidden[:count]
        np.sqrt(real.reshape(count, _FRAMES, _BINS), out=spectrum[:, 1:-1])
        x = _relu(_product(_columns(spectrum, _FRAMES, 1), self._conv[0][0]), self._conv[0][1])
        hidden[:, 1:-1] = x.reshape(count, _FRAMES, 128)
        x = _relu(_product(_columns(hidden, 2, 2), self._conv[1][0]), self._conv[1][1])
        x = _relu(_product(x.reshape(count, 1, 128), self._conv[2][0]), self._conv[2][1])
        return _relu(_product(x.reshape(count, 1, 64), self._conv[3][0]), self._conv[3][1])


def _convolution(weights: Mapping[str, Floats], layer: int) -> tuple[Floats, Floats]:
    """A kernel of three taps as a matrix ``[3 · in, out]``, and its bias."""
    kernel = weights[_ENCODER.format(layer, "weight")]
    matrix = np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, len(kernel)))
    return matrix, weights[_ENCODER.format(layer, "bias")]


def _gates(weights: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """The LSTM as one matrix: input, forget and output gate (halved, see `judge`), then the candidate."""
    both = [weights["model.decoder.rnn.weight_ih"], weights["model.decoder.rnn.weight_hh"]]
    bias = weights["model.decoder.rnn.bias_ih"] + weights["model.decoder.rnn.bias_hh"]
    order = np.r_[0:256, 384:512, 256:384]
    matrix = np.concatenate(both, axis=1).T[:, order]
    half = np.repeat(np.array([0.5, 1.0], np.float32), [384, 128])
    return np.ascontiguousarray(matrix * half), bias[order] * half


def _columns(x: Floats, steps: int, stride: int) -> Floats:
    """Three frames side by side for each step: what a convolution sees."""
    batch, frame, value = x.strides
    shape, strides = (len(x), steps, 3 * x.shape[2]), (batch, stride * frame, value)
    return np.ascontiguousarray(as_strided(x, shape, strides, writeable=False))


def _relu(x: Floats, bias: Floats) -> Floats:
    x += bias
    return np.maximum(x, 0, out=x)


def _product(x: Floats, matrix: Floats) -> Floats:
    """``[count, rows, in] @ [in, out]`` → ``[count · rows, out]``, in products of at most `_STACK` windows."""
    count, rows, width = x.shape
    out = np.empty((count * rows, matrix.shape[1]), np.float32)
    even = count // _STACK * _STACK
    if even:
        stacked = x[:even].reshape(even // _STACK, _STACK * rows, width)
        np.matmul(stacked, matrix, out=out[: even * rows].reshape(even // _STACK, _STACK * rows, -1))
    if even < count:
        np.matmul(x[even:].reshape(-1, width), matrix, out=out[even * rows :])
    return out
