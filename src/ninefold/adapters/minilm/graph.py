"""The MiniLM encoder as an ONNX graph: token ids and mask in, L2-normalised sentence vectors out.

Source: BERT (Devlin et al. 2019, §3) with post-layer-norm and exact GELU; mean pooling over the mask and L2 norm as the model's own
`1_Pooling/config.json` and `modules.json` say. Opset 17 is the first with LayerNormalization.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, WIDTH, EPSILON = 6, 12, 384, 1e-12
HEAD = WIDTH // HEADS
Weights = Mapping[str, NDArray[np.float32]]


@dataclass(slots=True)
class _Graph:
    """Nodes and constants in the order they were added; every value has one name."""

    nodes: list[Any] = field(default_factory=list[Any])
    constants: list[Any] = field(default_factory=list[Any])

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def linear(self, source: str, name: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        product = self.add("MatMul", [source, self.constant(f"{name}.weight", weight.T)], f"{name}.product")
        return self.add("Add", [product, self.constant(f"{name}.bias", bias)], f"{name}.out")

    def layer_norm(self, source: str, name: str, weights: Weights) -> str:
        scale = self.constant(f"{name}.scale", weights[f"{name}.weight"])
        shift = self.constant(f"{name}.shift", weights[f"{name}.bias"])
        return self.add("LayerNormalization", [source, scale, shift], f"{name}.out", axis=-1, epsilon=EPSILON)


def sentence_encoder(weights: Weights) -> onnx.ModelProto:
    """The whole model in float32. Inputs `input_ids`, `attention_mask`: int64 [n, tokens]; output `vectors`: float32 [n, 384]."""
    graph = _Graph()
    _scalars(graph)
    bias = _mask_bias(graph)
    hidden = _embeddings(graph, weights)
    for layer in range(LAYERS):
        hidden = _layer(graph, weights, f"encoder.layer.{layer}", hidden, bias)
    _pool(graph, hidden)
    ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "tokens"]) for name in ("input_ids", "attention_mask")]
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", WIDTH])
    made = helper.make_graph(graph.nodes, "minilm", ids, [vectors], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], producer_name="ninefold")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def _scalars(graph: _Graph) -> None:
    for name, value in (("one", 1.0), ("half", 0.5), ("root2", 2.0**0.5), ("root_head", HEAD**0.5), ("far", -1e4), ("tiny", 1e-9)):
        graph.constant(name, np.array(value, dtype=np.float32))
    for name, axes in (("axis0", [0]), ("axis1", [1]), ("axis_last", [-1]), ("axes12", [1, 2]), ("from0", [0])):
        graph.constant(name, np.array(axes, dtype=np.int64))
    graph.constant("heads_shape", np.array([0, 0, HEADS, HEAD], dtype=np.int64))
    graph.constant("hidden_shape", np.array([0, 0, WIDTH], dtype=np.int64))


def _mask_bias(graph: _Graph) -> str:
    """0 where a token is, -10,000 where padding is: [n, 1, 1, tokens], added to the attention scores."""
    mask = graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    absent = graph.add("Sub", ["one", mask], "absent")
    row = graph.add("Mul", [absent, "far"], "absent.far")
    return graph.add("Unsqueeze", [row, "axes12"], "mask.bias")


def _embeddings(graph: _Graph, weights: Weights) -> str:
    words = graph.constant("words", weights["embeddings.word_embeddings.weight"])
    # Every token is of segment 0, so its vector is folded into the positions.
    segment = weights["embeddings.token_type_embeddings.weight"][0]
    positions = graph.constant("positions", weights["embeddings.position_embeddings.weight"] + segment)
    shape = graph.add("Shape", ["input_ids"], "shape")
    tokens = graph.add("Slice", [shape, "axis1", graph.constant("two", np.array([2], dtype=np.int64))], "tokens")
    here = graph.add("Slice", [positions, "from0", tokens, "axis0"], "positions.here")
    looked_up = graph.add("Gather", [words, "input_ids"], "words.here")
    total = graph.add("Add", [looked_up, here], "embedded")
    return graph.layer_norm(total, "embeddings.LayerNorm", weights)


def _layer(graph: _Graph, weights: Weights, name: str, hidden: str, bias: str) -> str:
    attended = _attention(graph, weights, f"{name}.attention", hidden, bias)
    dense = f"{name}.intermediate.dense"
    wide = graph.linear(attended, dense, weights[f"{dense}.weight"], weights[f"{dense}.bias"])
    ratio = graph.add("Div", [wide, "root2"], f"{name}.gelu.ratio")
    erf = graph.add("Erf", [ratio], f"{name}.gelu.erf")
    gate = graph.add("Add", [erf, "one"], f"{name}.gelu.gate")
    scaled = graph.add("Mul", [wide, gate], f"{name}.gelu.scaled")
    gelu = graph.add("Mul", [scaled, "half"], f"{name}.gelu")
    dense = f"{name}.output.dense"
    narrow = graph.linear(gelu, dense, weights[f"{dense}.weight"], weights[f"{dense}.bias"])
    total = graph.add("Add", [narrow, attended], f"{name}.output.sum")
    return graph.layer_norm(total, f"{name}.output.LayerNorm", weights)


def _attention(graph: _Graph, weights: Weights, name: str, hidden: str, bias: str) -> str:
    # One product instead of three: the input is quantised once, and scales per output channel make it no less exact.
    parts = [f"{name}.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([weights[f"{part}.weight"] for part in parts])
    joined = graph.linear(hidden, f"{name}.qkv", weight, np.concatenate([weights[f"{part}.bias"] for part in parts]))
    graph.nodes.append(helper.make_node("Split", [joined], parts, name=f"{name}.split", axis=2))
    heads = [graph.add("Reshape", [part, "heads_shape"], f"{part}.heads") for part in parts]
    query = graph.add("Transpose", [heads[0]], f"{name}.query", perm=[0, 2, 1, 3])
    key = graph.add("Transpose", [heads[1]], f"{name}.key", perm=[0, 2, 3, 1])
    value = graph.add("Transpose", [heads[2]], f"{name}.value", perm=[0, 2, 1, 3])
    scores = graph.add("MatMul", [query, key], f"{name}.scores")
    scaled = graph.add("Div", [scores, "root_head"], f"{name}.scaled")
    masked = graph.add("Add", [scaled, bias], f"{name}.masked")
    shares = graph.add("Softmax", [masked], f"{name}.shares", axis=-1)
    mixed = graph.add("MatMul", [shares, value], f"{name}.mixed")
    rows = graph.add("Transpose", [mixed], f"{name}.rows", perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", [rows, "hidden_shape"], f"{name}.flat")
    dense = f"{name}.output.dense"
    out = graph.linear(flat, dense, weights[f"{dense}.weight"], weights[f"{dense}.bias"])
    total = graph.add("Add", [out, hidden], f"{name}.sum")
    return graph.layer_norm(total, f"{name}.output.LayerNorm", weights)


def _pool(graph: _Graph, hidden: str) -> None:
    mask = graph.add("Unsqueeze", ["mask", "axis_last"], "mask.column")
    present = graph.add("Mul", [hidden, mask], "present")
    total = graph.add("ReduceSum", [present, "axis1"], "present.sum", keepdims=0)
    count = graph.add("ReduceSum", [mask, "axis1"], "present.count", keepdims=0)
    mean = graph.add("Div", [total, count], "mean")
    norm = graph.add("ReduceL2", [mean], "norm", axes=[-1], keepdims=1)
    safe = graph.add("Max", [norm, "tiny"], "norm.safe")
    graph.add("Div", [mean, safe], "vectors")
