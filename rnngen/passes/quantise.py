"""The float network as integers: its layers as engines and blocks, formats, quantised parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rnngen.arith.format import FloatArray, Format
from rnngen.errors import FormatError, ModelError
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FactorisedLayer,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network
from rnngen.ir.quantised import (
    Block,
    Branch,
    GruFormats,
    LayerFormats,
    LinearFormats,
    LstmFormats,
    Post,
    ProductFormats,
    QuantisedArgmax,
    QuantisedLayer,
    QuantisedMap,
    QuantisedNetwork,
)
from rnngen.ir.trained import Trained, TrainedLayer
from rnngen.passes.formats import (
    MULTIPLIER_BITS,
    at_most,
    bias_format,
    covering,
    gate_fraction,
    is_too_narrow,
    preactivation_format,
    product_fraction,
    state_format,
    trained_formats,
    weight_formats,
)
from rnngen.passes.ranges import LayerRanges, measure, prove

WEIGHT_BITS = range(2, 19)
ACTIVATION_BITS = range(4, 19)
TABLE_GUARD_BITS = 3
"""Fraction bits of a symbol's biases below the pre-activation's: there are many of them."""
_FORMAT_ROUNDS = 8
"""Tries to find a format for a plain RNN's h; each takes away fraction bits."""
SIXTH_BITS = 17
"""Fraction bits of hard sigmoid's 1/6 where it is no Linear layer's weight."""


@dataclass(frozen=True)
class Widths:
    """Bits of weights and activations; ``kept``: formats that are there already, by layer; then none is chosen."""

    weights: int
    activations: int
    kept: Mapping[str, LayerFormats] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Matrix:
    """A product's float parameters; weight_x has no columns, and bias a row a symbol, where x is one."""

    name: str
    weight_x: FloatArray
    weight_h: FloatArray | None
    bias: FloatArray
    x: Format
    h: Format
    x_offset: int = 0
    h_offset: int = 0
    trained: TrainedLayer | None = None

    @property
    def inputs(self) -> int:
        return int(self.weight_x.shape[1])

    @property
    def hidden(self) -> int:
        return 0 if self.weight_h is None else int(self.weight_h.shape[1])


def _check_bits(name: str, bits: int, legal: range) -> None:
    if bits not in legal:
        raise FormatError(f"{name} bits must be within {legal.start}..{legal.stop - 1}, not {bits}.")


@dataclass(frozen=True)
class _Point:
    """Where a product is narrowed to, before its bias format is known."""

    weight_x: Format
    weight_h: Format
    fraction: int


def _point(matrix: _Matrix, widths: Widths) -> _Point:
    if matrix.trained is not None:
        weight_x, weight_h = trained_formats(matrix.name, matrix.x, matrix.h, matrix.trained, matrix.inputs)
        fraction = product_fraction(matrix.x, weight_x, matrix.h, weight_h, matrix.inputs, matrix.hidden)
        _check_bias(matrix, fraction)
        return _Point(weight_x, weight_h, fraction)
    weight_x, weight_h = weight_formats(widths.weights, matrix.weight_x, matrix.x, matrix.weight_h, matrix.h)
    fraction = product_fraction(matrix.x, weight_x, matrix.h, weight_h, matrix.inputs, matrix.hidden)
    return _Point(weight_x, weight_h, fraction)


def _check_bias(matrix: _Matrix, fraction: int) -> None:
    """Refuses a trained bias that is finer than the accumulator."""
    bias = matrix.trained.bias if matrix.trained is not None else None
    if bias is None:
        return
    integers = np.ldexp(bias.integers.astype(np.float64), fraction - bias.fraction)
    if np.any(integers != np.floor(integers)):
        raise FormatError(
            f"Layer '{matrix.name}' was trained with a bias in units of 2**-{bias.fraction}, which an accumulator of "
            f"{fraction} fraction bits does not hold exactly; use more activation bits."
        )


def _product(matrix: _Matrix, point: _Point, coarsest: int) -> ProductFormats:
    """Formats of the product; ``coarsest``: fraction bits of the coarsest point that it is narrowed to."""
    fraction = point.fraction
    if matrix.bias.ndim == 2:
        fraction = min(fraction, coarsest + 1 + TABLE_GUARD_BITS)
    half = (1 << max(0, fraction - coarsest)) >> 1
    bias = bias_format(matrix.bias, fraction, half)
    return ProductFormats(
        matrix.inputs, matrix.hidden, matrix.x, point.weight_x, matrix.h, point.weight_h, bias
    )


def _layer(matrix: _Matrix, formats: LayerFormats) -> QuantisedLayer:
    product = formats.product
    return QuantisedLayer(
        matrix.name,
        product.weight_x.quantise(matrix.weight_x),
        None if matrix.weight_h is None else product.weight_h.quantise(matrix.weight_h),
        product.bias.quantise(matrix.bias),
        formats,
        matrix.x_offset,
        matrix.h_offset,
    )


def _in_formats(matrix: _Matrix, formats: LayerFormats) -> QuantisedLayer:
    """The parameters in formats that were chosen for others.

    Raises:
        FormatError: if they would saturate where formats of their own would not.
    """
    product, made = formats.product, _layer(matrix, formats)
    _check_bias(matrix, product.bias.fraction)
    for what, weights, own in (("x", matrix.weight_x, product.weight_x), ("h", matrix.weight_h, product.weight_h)):
        if weights is None or not weights.size:
            continue
        if is_too_narrow(own, weights):
            raise _too_large(matrix, f"weights of {what}", weights, own)
        if matrix.trained is not None and np.any(own.to_float(own.quantise(weights)) != weights):
            raise FormatError(
                f"Layer '{matrix.name}' was trained with integer weights of {what} that the format {own} of the design "
                f"does not hold exactly; generate a design of this model."
            )
    room = replace(made, bias=np.floor(matrix.bias * 2.0**product.bias.fraction + 0.5).astype(np.int64)).rounded_bias()
    if room.min() < product.bias.minimum or room.max() > product.bias.maximum:
        raise _too_large(matrix, "biases", matrix.bias, product.bias)
    return made


def _too_large(matrix: _Matrix, what: str, values: FloatArray, own: Format) -> FormatError:
    return FormatError(
        f"Layer '{matrix.name}' has {what} of up to {np.abs(values).max():.4g}, which the format of the design, up to "
        f"{own.to_float(np.array(own.maximum)):.4g}, is too narrow for; generate a design of this model."
    )


def _lstm(matrix: _Matrix, widths: Widths, c_range: float, m: Format) -> QuantisedLayer:
    """An LSTM's gates and state; m: format of o * tanh(c)."""
    if matrix.name in widths.kept:
        return _in_formats(matrix, widths.kept[matrix.name])
    point = _point(matrix, widths)
    preactivation = preactivation_format(widths.activations, point.fraction)
    c = state_format(widths.activations, c_range, preactivation.fraction)
    product = _product(matrix, point, preactivation.fraction - 1)
    return _layer(matrix, LstmFormats(product, preactivation, gate_fraction(widths.activations), c, m))


def _gru(matrix: _Matrix, widths: Widths, ranges: LayerRanges) -> QuantisedLayer:
    if matrix.name in widths.kept:
        return _in_formats(matrix, widths.kept[matrix.name])
    point = _point(matrix, widths)
    preactivation = preactivation_format(widths.activations, point.fraction)
    inner = state_format(widths.activations, ranges.inner, min(preactivation.fraction, point.fraction))
    width = state_format(widths.activations, 1.0, MULTIPLIER_BITS).width
    state = Format(width, width - 1) if ranges.y <= 1.0 else covering(width, ranges.y)
    product = _product(matrix, point, min(preactivation.fraction - 1, inner.fraction))
    formats = GruFormats(product, preactivation, gate_fraction(widths.activations), inner, state, matrix.h)
    return _layer(matrix, formats)


def _dense(matrix: _Matrix, widths: Widths, function: ActivationLayer | None, y_range: float) -> QuantisedLayer:
    """A Linear layer or a plain RNN with the function behind it; y_range: of the function's result."""
    if function is not None and function.function == "hardsigmoid":
        matrix = replace(matrix, weight_x=matrix.weight_x / 6.0, bias=matrix.bias / 6.0 + 0.5)
    if matrix.name in widths.kept:
        return _in_formats(matrix, widths.kept[matrix.name])
    point = _point(matrix, widths)
    made = _function(function, widths.activations, y_range, point.fraction)
    coarsest = made.y.fraction if made.preactivation is None else made.preactivation.fraction - 1
    return _layer(matrix, made.formats(_product(matrix, point, coarsest)))


@dataclass(frozen=True)
class _Function:
    """LinearFormats without its product."""

    y: Format
    function: str = "clamp"
    low: int | None = None
    high: int | None = None
    preactivation: Format | None = None

    def formats(self, product: ProductFormats) -> LinearFormats:
        return LinearFormats(product, self.y, self.function, self.low, self.high, self.preactivation)


def _function(layer: ActivationLayer | None, activations: int, y_range: float, fraction: int) -> _Function:
    """Formats of a function whose argument has ``fraction`` fraction bits."""
    if layer is not None and layer.function in ("tanh", "sigmoid"):
        preactivation = preactivation_format(activations, fraction)
        return _Function(_within_one(activations, y_range), layer.function, preactivation=preactivation)
    y = at_most(covering(activations, y_range), fraction)
    if layer is None:
        return _Function(y)
    low, high = {"relu": (0.0, None), "hardsigmoid": (0.0, 1.0), "hardtanh": (layer.low, layer.high)}[layer.function]
    return _Function(y, low=_limit(y, low), high=_limit(y, high))


def _within_one(activations: int, largest: float) -> Format:
    """Of what a tanh or a gate bounds: (-1, 1), or what a state needs that a model begins with."""
    return Format(activations, activations - 1) if largest <= 1.0 else covering(activations, largest)


def _limit(y: Format, value: float | None) -> int | None:
    """A clamp's limit as an integer; None where the format's own limit comes first."""
    if value is None:
        return None
    integer = round(value * 2.0**y.fraction)
    return integer if y.minimum < integer < y.maximum else None


def _sum_bias(layer: RecurrentLayer, x: FloatArray) -> FloatArray:
    """Biases by slot: that of x, with a row a symbol where x is one, and that of h added, but for gate n of a GRU."""
    if layer.cell != "gru":
        return x + layer.bias_hh
    r_x, z_x, n_x = np.split(x, 3, axis=-1)
    r_h, z_h, n_h = np.split(layer.bias_hh, 3)
    return np.concatenate([r_x + r_h, z_x + z_h, np.broadcast_to(n_h, n_x.shape), n_x], axis=-1)


def _start_check(layer: Layer) -> None:
    if isinstance(layer, AffineLayer):
        raise ModelError(
            f"Layer '{layer.name}' scales and shifts with no layer to do it in; fold it into a neighbour or leave it "
            f"to the host."
        )


def _check_alike(layer: ParallelLayer) -> None:
    """Branches run in step, in engines of the same lanes."""
    found = [(branch.cell, branch.hidden_size, branch.output_size) for branch in layer.branches]
    for cell, hidden, output in found:
        if (cell, hidden, output) != found[0]:
            raise ModelError(
                f"Layer '{layer.name}': its branches must be alike in cell, hidden size and output size, not "
                f"{found[0][0]} {found[0][1]}/{found[0][2]} and {cell} {hidden}/{output}; give each an accelerator of "
                f"its own."
            )


class _Builder:
    """Collects engines and blocks, layer by layer."""

    def __init__(self, widths: Widths, x: Format, trained: Trained) -> None:
        self.widths = widths
        self.trained = trained
        self.x = x
        self.table: FloatArray | None = None
        self.layers: list[QuantisedLayer] = []
        self.blocks: list[Block] = []

    def _h_format(self, largest: float) -> Format:
        """Of a gated cell's h: (-1, 1), or what a given state needs."""
        return _within_one(self.widths.activations, largest)

    def _add(self, layer: QuantisedLayer) -> int:
        self.layers.append(layer)
        return len(self.layers) - 1

    def _block(self, branches: Sequence[Branch], source: int) -> None:
        self.blocks.append(Block(tuple(branches), source=source))
        self.x = self.layers[branches[0].last].output_format
        self.table = None

    def _matrix(self, name: str, weight_x: FloatArray, weight_h: FloatArray | None, bias: FloatArray, h: Format,
                offsets: tuple[int, int] = (0, 0)) -> _Matrix:  # fmt: skip
        return _Matrix(name, weight_x, weight_h, bias, self.x, h, *offsets)

    def _without_table(self, weight_x: FloatArray) -> FloatArray:
        """What is multiplied by x: nothing where x is a symbol."""
        return weight_x if self.table is None else np.zeros((len(weight_x), 0))

    def _with_table(self, weight_x: FloatArray, bias: FloatArray, columns: slice = slice(None)) -> FloatArray:
        """The bias, with a row a symbol where x is one; columns: of the table, those that the engine takes."""
        return bias if self.table is None else self.table[:, columns] @ weight_x.T + bias

    def cell(self, layer: RecurrentLayer, ranges: LayerRanges, h_range: float) -> Branch:
        """The engines of one direction; h_range: of all directions together."""
        bias = _sum_bias(layer, self._with_table(layer.weight_ih, layer.bias_ih))
        weight_x = self._without_table(layer.weight_ih)
        if layer.weight_hr is not None:
            return self._projected(layer, ranges, h_range, weight_x, bias)
        h = covering(self.widths.activations, h_range) if layer.cell == "rnn_relu" else self._h_format(h_range)
        matrix = self._matrix(layer.name, weight_x, layer.weight_hh, bias, h)
        matrix = replace(matrix, trained=self._trained(layer))
        if layer.cell == "lstm":
            made = _lstm(matrix, self.widths, ranges.c, h)
        elif layer.cell == "gru":
            made = _gru(matrix, self.widths, ranges)
        else:
            made = self._plain(layer, matrix, h_range)
        return Branch(((self._add(_begun(made, layer)),),), layer.reverse)

    def _plain(self, layer: RecurrentLayer, matrix: _Matrix, h_range: float) -> QuantisedLayer:
        """A plain RNN, whose output is the h that it multiplies: one format serves both."""
        function = ActivationLayer(layer.name, layer.cell.removeprefix("rnn_"), layer.hidden_size)
        for _ in range(_FORMAT_ROUNDS):
            made = _dense(matrix, self.widths, function, h_range)
            if made.output_format == matrix.h:
                return made
            # A coarser h than hoped for: the accumulator has fewer fraction bits.
            matrix = replace(matrix, h=made.output_format)
        raise FormatError(
            f"Layer '{layer.name}' has recurrent weights so large that no format serves both its output and its h; "
            f"use more weight bits or fewer activation bits."
        )

    def _trained(self, layer: RecurrentLayer) -> TrainedLayer | None:
        """The integers that a layer was trained with; None if it was not."""
        trained = self.trained.get(layer.name)
        if trained is None:
            return None
        pairs = ((layer.weight_ih, trained.weight_ih), (layer.weight_hh, trained.weight_hh))
        same = all(np.array_equal(weight, integers.values) for weight, integers in pairs)
        if not same:
            raise ModelError(
                f"Layer '{layer.name}' was trained with integer weights, but its weights are others now, such as by a "
                f"scaling folded into them; leave that to the host."
            )
        return trained

    def _projected(
        self, layer: RecurrentLayer, ranges: LayerRanges, h_range: float, weight_x: FloatArray, bias: FloatArray
    ) -> Branch:
        assert layer.weight_hr is not None
        m = self._h_format(1.0)
        projection = self._projection(f"{layer.name}.projection", layer.weight_hr, m, h_range)
        matrix = self._matrix(layer.name, weight_x, layer.weight_hh, bias, projection.output_format)
        matrix = replace(matrix, trained=self._trained(layer))
        first = self._add(_begun(_lstm(matrix, self.widths, ranges.c, m), layer))
        return Branch(((first,), (self._add(projection),)), layer.reverse)

    def _projection(self, name: str, weight: FloatArray, m: Format, h_range: float) -> QuantisedLayer:
        matrix = _Matrix(name, weight, None, np.zeros(len(weight)), m, m)
        return _dense(matrix, self.widths, None, h_range)

    def factorised(self, layer: FactorisedLayer, ranges: LayerRanges) -> Branch:
        h = self._h_format(1.0)
        weight_x, bias = self._without_table(layer.weight_in), self._with_table(layer.weight_in, np.zeros(layer.rank))
        matrix = self._matrix(f"{layer.name}.inner", weight_x, layer.weight_rec, bias, h)
        inner = _dense(matrix, self.widths, None, ranges.inner)
        outer = _Matrix(layer.name, layer.weight_out, None, layer.bias, inner.output_format, h)
        return Branch(((self._add(inner),), (self._add(_lstm(outer, self.widths, ranges.c, h)),)))

    def grouped(self, layer: GroupedLayer, ranges: LayerRanges) -> Branch:
        m = self._h_format(1.0)
        projection = self._projection(f"{layer.name}.projection", layer.projection, m, ranges.y)
        h = projection.output_format
        made = []
        for index, group in enumerate(layer.groups):
            first = index * group.input_size
            bias = self._with_table(group.weight_ih, group.bias, slice(first, first + group.input_size))
            offsets = (first if self.table is None else 0, index * group.state_size)
            matrix = self._matrix(group.name, self._without_table(group.weight_ih), group.weight_hh, bias, h, offsets)
            made.append(_lstm(matrix, self.widths, ranges.c, m))
        return Branch((tuple(self._add(engine) for engine in made), (self._add(projection),)))

    def recurrent(self, layer: Layer, ranges: LayerRanges, source: int) -> None:
        """A recurrent layer of any kind as a block."""
        if isinstance(layer, ParallelLayer):
            _check_alike(layer)
            parts = zip(layer.branches, ranges.branches)
            branches = [self.cell(branch, part, ranges.y) for branch, part in parts]
            formats = {self.layers[branch.last].output_format for branch in branches}
            if len(formats) != 1:
                raise FormatError(
                    f"Layer '{layer.name}': its branches have outputs of the formats {sorted(map(str, formats))}; "
                    f"use more weight bits."
                )
            self._block(branches, source)
        elif isinstance(layer, FactorisedLayer):
            self._block([self.factorised(layer, ranges)], source)
        elif isinstance(layer, GroupedLayer):
            self._block([self.grouped(layer, ranges)], source)
        else:
            assert isinstance(layer, RecurrentLayer)
            self._block([self.cell(layer, ranges, ranges.y)], source)

    def linear(self, layer: LinearLayer, function: ActivationLayer | None, y_range: float, source: int) -> None:
        """A Linear layer with the function behind it."""
        matrix = self._matrix(layer.name, layer.weight, None, layer.bias, self.x)
        engine = self._add(_dense(matrix, self.widths, function, y_range))
        self._block([Branch(((engine,),))], source)

    def post(self, layer: ActivationLayer | ArgmaxLayer, y_range: float, source: int) -> None:
        """What the words of the last block pass on their way."""
        if not self.blocks:
            raise ModelError(
                f"Layer '{layer.name}' ({_function_name(layer)}) stands before everything that is computed; leave it "
                f"to the host."
            )
        made: Post = (
            QuantisedArgmax(layer.name, layer.size)
            if isinstance(layer, ArgmaxLayer)
            else _map(layer, self.x, self.widths.activations, y_range)
        )
        self.blocks[-1] = replace(self.blocks[-1], post=(*self.blocks[-1].post, made), source=source)
        self.x = made.output_format

    def select(self, layer: LastStepLayer, source: int) -> None:
        """One step of each sequence from here on."""
        if not self.blocks or any(block.select != "every" for block in self.blocks):
            where = "before everything that is computed" if not self.blocks else "behind another choice of one step"
            raise ModelError(f"Layer '{layer.name}' takes one step of each sequence {where}; leave it to the host.")
        self.blocks[-1] = replace(self.blocks[-1], select="final" if layer.final else "last", source=source)


def _begun(made: QuantisedLayer, layer: RecurrentLayer) -> QuantisedLayer:
    """With the state that the model's sequences begin with."""
    formats = made.formats
    h_0 = None if layer.h_0 is None else formats.product.h.quantise(layer.h_0)
    state_0 = None
    if isinstance(formats, GruFormats) and layer.h_0 is not None:
        state_0 = formats.state.quantise(layer.h_0)
    elif isinstance(formats, LstmFormats) and layer.c_0 is not None:
        state_0 = formats.c.quantise(layer.c_0)
    return replace(made, h_0=h_0, state_0=state_0)


def _function_name(layer: ActivationLayer | ArgmaxLayer) -> str:
    return layer.function if isinstance(layer, ActivationLayer) else "argmax"


def _map(layer: ActivationLayer, x: Format, activations: int, y_range: float) -> QuantisedMap:
    """A function of words of a format, as a Linear layer of the one weight 1 (or hard sigmoid's 1/6)."""
    sixth = layer.function == "hardsigmoid"
    weight = Format(MULTIPLIER_BITS, SIXTH_BITS) if sixth else Format(2, 0)
    fraction = x.fraction + weight.fraction
    made = _function(layer, activations, y_range, fraction)
    target = made.y if made.preactivation is None else made.preactivation
    half = (1 << (fraction - target.fraction + int(made.function == "sigmoid"))) >> 1
    offset = np.array([0.5 if sixth else 0.0])
    bias = bias_format(offset, fraction, half)
    product = ProductFormats(1, 0, x, weight, x, weight, bias)
    return QuantisedMap(
        layer.name, layer.size, round(2.0**SIXTH_BITS / 6.0) if sixth else 1, int(bias.quantise(offset)[0]) + half,
        made.formats(product),
    )  # fmt: skip


def _input_format(network: Network, activations: int, largest: float) -> Format:
    if network.symbols:
        return Format(max(2, (network.symbols - 1).bit_length() + 1), 0)
    return covering(activations, largest)


def quantise(
    network: Network, weight_bits: int = 8, activation_bits: int = 16, calibration: FloatArray | None = None
) -> QuantisedNetwork:
    """Choose every format and quantise the parameters.

    Args:
        network: The float network; layers that were trained as integers (``network.trained``) keep these, whatever
            the weight bits.
        weight_bits: 2..18.  activation_bits: 4..18.
        calibration: Real input (sequences, steps, features), or None for proved ranges.

    Raises:
        FormatError: if a width is out of range.
        ModelError: if a layer stands where the accelerator cannot compute it.
        DataError: if the calibration input has a wrong shape or is not finite.
    """
    _check_bits("Weight", weight_bits, WEIGHT_BITS)
    _check_bits("Activation", activation_bits, ACTIVATION_BITS)
    for layer in network.layers:
        _start_check(layer)
    ranges = prove(network) if calibration is None else measure(network, calibration)
    x = _input_format(network, activation_bits, ranges[0].x)
    builder = built(Widths(weight_bits, activation_bits), x, network, ranges)
    if not builder.blocks:
        raise ModelError(f"Network '{network.name}' holds nothing to compute but a table; it needs no accelerator.")
    if network.trained:
        weight_bits = max(layer.formats.product.weight_x.width for layer in builder.layers)
    return QuantisedNetwork(network.name, tuple(builder.layers), tuple(builder.blocks), weight_bits, activation_bits)


def built(widths: Widths, x: Format, network: Network, ranges: Sequence[LayerRanges]) -> _Builder:
    """All layers of a network."""
    builder = _Builder(widths, x, network.trained)
    index = 0
    while index < len(network.layers):
        index += _build(builder, network.layers, ranges, index)
    return builder


def _build(builder: _Builder, layers: Sequence[Layer], ranges: Sequence[LayerRanges], index: int) -> int:
    """Adds the layer of an index; returns how many float layers that took."""
    layer, here = layers[index], ranges[index]
    if isinstance(layer, EmbeddingLayer):
        builder.table = layer.table
    elif isinstance(layer, LinearLayer):
        if builder.table is not None:
            raise ModelError(
                f"Layer '{layer.name}' is a Linear layer behind an embedding, whose table it changes: fold it there."
            )
        following = layers[index + 1] if index + 1 < len(layers) else None
        function = following if isinstance(following, ActivationLayer) else None
        taken = 1 + (function is not None)
        builder.linear(layer, function, ranges[index + taken - 1].y, index + taken - 1)
        return taken
    elif isinstance(layer, ActivationLayer | ArgmaxLayer):
        builder.post(layer, here.y, index)
    elif isinstance(layer, LastStepLayer):
        builder.select(layer, index)
    else:
        builder.recurrent(layer, here, index)
    return 1
