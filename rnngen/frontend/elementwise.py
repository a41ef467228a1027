"""The part of the tracer that makes layers of element-wise operations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnngen.frontend import layout
from rnngen.frontend.axes import AxisTracer, features_axis
from rnngen.frontend.closing import close
from rnngen.frontend.layout import Unsupported
from rnngen.frontend.traced import UNIT, Atom, Constant, Host, Pending, Stage, Steps, Value
from rnngen.ir.layers import ActivationLayer, AffineLayer, FloatArray, LinearLayer


class ElementTracer(AxisTracer):
    """Follows element-wise operations; between ``AxisTracer`` and ``tracing.Tracer``, which see."""

    def _closed(self, where: str, operation: str, value: Value, axis: int) -> Steps | Host:
        """The value with its features along ``axis``, ready for a layer; a Host where that has to stay there."""
        if isinstance(value, Constant):
            raise self.refuse(where, f"({operation}) computes with constants alone, not with the model's input.")
        if isinstance(value, Host):
            if value.base is not None:
                return self.unsupported(where, operation, [value])
            if value.shape is None:
                raise self.refuse(
                    where, f"({operation}) takes a tensor of unknown shape; save the model with its shapes."
                )
            value = self._begin(value.shape, value.done)
        try:
            at = layout.position(axis, len(value.axes))
            closed = close(value, at)
        except Unsupported as reason:
            self._stages(where, value)
            return self.unsupported(where, operation, [value], str(reason))
        self.role(where, value.axes[at], "features")
        return closed

    def _check_size(self, where: str, value: Steps, size: int) -> None:
        if value.size != size:
            raise self.refuse(where, f"takes {size} features but gets {value.size}; check the model's sizes.")

    def _append(self, value: Steps, stage: Stage, size: int | None = None) -> Steps:
        """One more layer; with ``size`` the features are as many from now on."""
        if size is None:
            return replace(value, stages=(*value.stages, stage))
        axes = tuple(tuple(Atom(UNIT, size) if atom.label == UNIT else atom for atom in axis) for axis in value.axes)
        return replace(value, axes=axes, stages=(*value.stages, stage), size=size)

    def activation(self, where: str, value: Value, function: str, low: float = -1.0, high: float = 1.0) -> Value:
        """An element-wise function of ``rnngen.ir.layers.ACTIVATIONS``."""
        value = self._elementwise(where, function, value)
        if isinstance(value, Host):
            return value
        return self._append(value, Pending(where, lambda size: ActivationLayer(where, function, size, low, high)))

    def _elementwise(self, where: str, operation: str, value: Value) -> Steps | Host:
        """The value ready for a layer that does not care which axis the features are."""
        if isinstance(value, Steps) and value.stack is None:
            return value
        at = -1
        if isinstance(value, Steps):
            at = next((i for i in range(len(value.axes)) if features_axis(value, i)), -1)
        closed = self._closed(where, operation, value, at)
        if isinstance(closed, Steps) and isinstance(value, Host):
            return self._begin(value.shape or (), value.done)  # the features may be any axis
        return closed

    def affine(self, where: str, value: Value, scale: FloatArray, shift: FloatArray, axis: int) -> Value:
        """``scale * x + shift`` along an axis, which is that of the features; both (F,)."""
        closed = self._closed(where, "affine", value, axis)
        if isinstance(closed, Host):
            return closed
        self._check_size(where, closed, scale.size)
        return self._affine(where, closed, scale, shift)

    def _affine(self, where: str, value: Steps, scale: FloatArray, shift: FloatArray) -> Steps:
        last = value.stages[-1] if value.stages else None
        if isinstance(last, LinearLayer) and np.all(scale == 1.0) and not np.any(last.bias):
            return replace(value, stages=(*value.stages[:-1], replace(last, bias=shift)))  # MatMul + Add
        return self._append(value, AffineLayer(where, scale, shift))

    def batch_norm(
        self,
        where: str,
        value: Value,
        mean: FloatArray,
        variance: FloatArray,
        weight: FloatArray | None,
        bias: FloatArray | None,
        epsilon: float,
        axis: int = 1,
    ) -> Value:
        """A batch norm at inference, with its running statistics; all (F,)."""
        scale = (1.0 if weight is None else weight) / np.sqrt(variance + epsilon)
        shift = (0.0 if bias is None else bias) - mean * scale
        return self.affine(where, value, scale, shift, axis)

    def arithmetic(self, where: str, operation: str, left: Value, right: Value) -> Value:
        """``add``, ``sub``, ``mul`` or ``div`` of two tensors, one of them a constant for each feature."""
        constant = right if isinstance(right, Constant) else left
        value = left if constant is right else right
        if not isinstance(constant, Constant) or (operation == "div" and constant is left):
            return self.unsupported(where, operation, [left, right])
        array = np.asarray(constant.array, dtype=np.float64)
        one, zero = np.ones_like(array), np.zeros_like(array)
        scale, shift = {
            "add": (one, array),
            "sub": (one, -array) if constant is right else (-one, array),
            "mul": (array, zero),
            "div": (np.divide(one, array, where=array != 0, out=np.full_like(array, np.inf)), zero),
        }[operation]
        return self._broadcast(where, operation, value, scale, shift)

    def _broadcast(self, where: str, operation: str, value: Value, scale: FloatArray, shift: FloatArray) -> Value:
        rank = len(value.axes) if isinstance(value, Steps) else len(getattr(value, "shape", None) or ())
        if scale.size == 1 and scale.ndim <= rank:
            ready = self._elementwise(where, operation, value)
            if isinstance(ready, Host):
                return ready
            a, b = float(scale.reshape(())), float(shift.reshape(()))
            if ready.size:
                return self._affine(where, ready, np.full(ready.size, a), np.full(ready.size, b))
            stage = Pending(where, lambda size: AffineLayer(where, np.full(size, a), np.full(size, b)))
            return self._append(ready, stage)
        varying = [axis - scale.ndim for axis, size in enumerate(scale.shape) if size != 1]
        if len(varying) != 1 or scale.ndim > rank:
            return self.unsupported(where, operation, [value], f"its constant has the shape {scale.shape}")
        return self.affine(where, value, scale.ravel(), shift.ravel(), varying[0])
