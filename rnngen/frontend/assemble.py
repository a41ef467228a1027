"""From named parameters and the user's choices to the chain of layers: what a model without a forward needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rnngen.errors import ModelError
from rnngen.frontend.chain import Chain
from rnngen.frontend.linear import build_embedding, build_head
from rnngen.frontend.naming import Stack, canonical, display, find_stacks
from rnngen.frontend.options import ImportOptions
from rnngen.frontend.own_modules import KINDS, find_own, own_layer
from rnngen.frontend.recurrent import build_recurrent
from rnngen.frontend.tensors import Checkpoint, Tensor, listing
from rnngen.ir.layers import LastStepLayer, Layer, ParallelLayer
from rnngen.ir.network import Network


@dataclass(frozen=True)
class Own:
    """A module of rnngen.nn among the parameters: its prefix and its kind."""

    prefix: str
    kind: str

    @property
    def name(self) -> str:
        """How the user selects it: the prefix, ``.`` at the top of the model."""
        return display(self.prefix)

    def tensors(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Its parameters by their full names."""
        start = f"{self.prefix}." if self.prefix else ""
        names = [f"{start}{leaf}" for leaf in (*KINDS[self.kind], "bias")]
        return {name: checkpoint.tensors[name] for name in names if name in checkpoint.tensors}


Recurrent = Stack | Own


def find_recurrent(checkpoint: Checkpoint) -> dict[str, Recurrent]:
    """Everything recurrent by prefix."""
    own = {prefix: Own(prefix, kind) for prefix, kind in find_own(checkpoint.tensors).items()}
    stacks = {prefix: stack for prefix, stack in find_stacks(checkpoint.tensors).items() if prefix not in own}
    return {**stacks, **own}


def choose_recurrent(checkpoint: Checkpoint, found: dict[str, Recurrent], select: str | None) -> Recurrent:
    """The stack that the user selects, or the only one.

    Raises:
        ModelError: if there is none, or several; the message lists them.
    """
    there = listing([stack.name for stack in found.values()])
    quantised = [prefix for prefix, declared in checkpoint.declared.items() if declared.kind == "quantised"]
    if not found and quantised:
        raise ModelError(
            f"{checkpoint.title} holds no floating-point recurrent layer but quantised modules "
            f"({listing(quantised, 3)}); rnngen quantises the network itself, so give it the model before quantisation."
        )
    if not found:
        raise ModelError(
            f"{checkpoint.title} holds no recurrent layer: no parameter is named like those of nn.LSTM (weight_ih_l0, "
            f"weight_hh_l0) or nn.LSTMCell (weight_ih, weight_hh); it has {listing(list(checkpoint.tensors), 6)}."
        )
    if select is None:
        if len(found) > 1:
            raise ModelError(
                f"{checkpoint.title} holds {len(found)} recurrent layers ({there}); choose one by its name (--select)."
            )
        return next(iter(found.values()))
    prefix = canonical(select)
    if prefix in found:
        return found[prefix]
    below = [stack for key, stack in found.items() if not prefix or key.startswith(f"{prefix}.")]
    if len(below) > 1:
        raise ModelError(
            f"Selection '{select}' holds {len(below)} recurrent layers ({listing([stack.name for stack in below])}); "
            f"choose one by its full name."
        )
    if not below:
        raise ModelError(f"Selection '{select}' matches no recurrent layer of {checkpoint.source}; there are: {there}.")
    return below[0]


def build_stack(stack: Recurrent, checkpoint: Checkpoint, nonlinearity: str | None) -> tuple[Layer, ...]:
    """The recurrent layers alone, checked to fit.

    Raises:
        ModelError: with the reason why they cannot be taken.
    """
    layers: tuple[Layer, ...]
    if isinstance(stack, Stack):
        layers = build_recurrent(stack, checkpoint, nonlinearity)
    else:
        if nonlinearity is not None:
            raise ModelError(
                f"--nonlinearity is for plain RNNs, but layer '{stack.name}' is a {stack.kind} LSTM; "
                f"leave the option out."
            )
        checkpoint.check_plain(stack.prefix)
        layer = own_layer(stack.prefix, {name: tensor.read() for name, tensor in stack.tensors(checkpoint).items()})
        assert layer is not None
        layers = (layer,)
    return Network("network", layers).layers


def _keep_direction(layer: Layer, options: ImportOptions) -> Layer:
    """One direction of the last layer, if the user asks for one."""
    if not options.direction:
        return layer
    if not isinstance(layer, ParallelLayer):
        raise ModelError(
            f"--output {options.output} needs a bidirectional layer, but '{layer.name}' has one direction; "
            f"give sequence, last or final."
        )
    return layer.branches[1 if options.direction == "backward" else 0]


def _output(layers: tuple[Layer, ...], options: ImportOptions) -> tuple[Layer, ...]:
    """The recurrent layers with the chosen output."""
    kept = (*layers[:-1], _keep_direction(layers[-1], options))
    if not options.step:
        return kept
    last = kept[-1]
    return (*kept, LastStepLayer(f"{last.name}.{options.step}", last.output_size, options.step == "final"))


def _head(options: ImportOptions, checkpoint: Checkpoint, before: Layer) -> tuple[Layer, ...]:
    """The layers behind ``before``."""
    layers: tuple[Layer, ...] = ()
    for item in options.heads:
        if item.name:
            before = build_head(item.name, item.eps, checkpoint, before.output_size, before.name)
            layers += (before,)
        for function in item.functions:
            before = function.layer(before.name, before.output_size)
            layers += (before,)
    return layers


def _unlike_names(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers with a number at every name that is there again."""
    seen: dict[str, int] = {}
    named: tuple[Layer, ...] = ()
    for layer in layers:
        seen[layer.name] = seen.get(layer.name, 0) + 1
        again = seen[layer.name] > 1
        named += (replace(layer, name=f"{layer.name}_{seen[layer.name]}") if again else layer,)
    return named


def _notes(stack: Recurrent, checkpoint: Checkpoint) -> tuple[str, ...]:
    declared = checkpoint.declared.get(stack.prefix)
    if declared is None or not declared.dropout:
        return ()
    return (f"The dropout of {declared.dropout:g} between the layers of '{stack.name}' acts in training alone.",)


def assemble(checkpoint: Checkpoint, options: ImportOptions) -> Chain:
    """The chain that the user's choices make of the parameters: embedding, recurrent stack, its output, head.

    Raises:
        ModelError: what is wrong, or what has to be said.
    """
    stack = choose_recurrent(checkpoint, find_recurrent(checkpoint), options.select)
    recurrent = build_stack(stack, checkpoint, options.nonlinearity)
    front: tuple[Layer, ...] = ()
    if options.embedding is not None:
        front = (build_embedding(options.embedding, checkpoint),)
        Network("network", (*front, recurrent[0]))  # says where they do not fit
    layers = (*front, *_output(recurrent, options))
    layers = _unlike_names((*layers, *_head(options, checkpoint, layers[-1])))
    return Chain(
        title=checkpoint.title,
        stem=checkpoint.stem,
        source=checkpoint.source,
        kind=checkpoint.kind,
        layers=layers,
        notes=_notes(stack, checkpoint),
    )


def refusal(build: Callable[[], object]) -> str:
    """The sentence with which building is refused; empty if it is not."""
    try:
        build()
    except ModelError as error:
        return str(error)
    return ""
