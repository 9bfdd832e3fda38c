"""The networks of Real-ESRGAN that ship, for engines that read no ONNX: as modules of PyTorch, and as the files of ncnn.

Tensors have the names of the published checkpoints: SRVGGNetCompact (`real-esrgan-fast`) and RRDBNet (`real-esrgan`).
"""

import json
import struct
from pathlib import Path

import numpy as np

FEATURES, GROWTH, BLOCKS = 64, 32, 23
CONVOLUTIONS = 32
SCALE = 4
SLOPE, RESIDUAL = 0.2, 0.2


def read_safetensors(path):
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        dtype = {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]
        tensors[name] = np.frombuffer(data[begin:end], dtype).astype(np.float32).reshape(entry["shape"])
    return tensors


def torch_network(model, weights):
    """Gives [1, 3, 4h, 4w] for [1, 3, h, w]."""
    import torch
    from torch.nn import functional as F

    tensors = {name: torch.from_numpy(values) for name, values in weights.items()}
    convolve = lambda x, name: F.conv2d(x, tensors[name + ".weight"], tensors[name + ".bias"], padding=1)
    leaky = lambda x: F.leaky_relu(x, SLOPE)
    larger = lambda x, factor: F.interpolate(x, scale_factor=factor, mode="nearest")

    def compact(x):
        y = x
        for index in range(CONVOLUTIONS + 1):
            y = F.prelu(convolve(y, f"body.{2 * index}"), tensors[f"body.{2 * index + 1}.weight"])
        return F.pixel_shuffle(convolve(y, f"body.{2 * CONVOLUTIONS + 2}"), SCALE) + larger(x, SCALE)

    def dense(x, name):
        seen = x
        for index in range(1, 5):
            seen = torch.cat([seen, leaky(convolve(seen, f"{name}.conv{index}"))], dim=1)
        return convolve(seen, f"{name}.conv5") * RESIDUAL + x

    def residual(x):
        shallow = y = convolve(x, "conv_first")
        for block in range(BLOCKS):
            before = y
            for part in ("rdb1", "rdb2", "rdb3"):
                y = dense(y, f"body.{block}.{part}")
            y = y * RESIDUAL + before
        y = shallow + convolve(y, "conv_body")
        for name in ("conv_up1", "conv_up2"):
            y = leaky(convolve(larger(y, 2), name))
        return convolve(leaky(convolve(y, "conv_hr")), "conv_last")

    return compact if model == "real-esrgan-fast" else residual


def write_ncnn(model, weights, folder):
    """Writes model.param and model.bin: blobs `input` and `output`, fp32."""
    net = NcnnWriter(weights)
    (compact_ncnn if model == "real-esrgan-fast" else residual_ncnn)(net)
    net.write(folder)


def compact_ncnn(net):
    x = y = "input"
    for index in range(CONVOLUTIONS + 1):
        y = net.convolution(y, f"body.{2 * index}")
        y = net.layer("PReLU", [y], {0: FEATURES}, [weights_of(net, f"body.{2 * index + 1}.weight")])
    y = net.convolution(y, f"body.{2 * CONVOLUTIONS + 2}")
    y = net.layer("PixelShuffle", [y], {0: SCALE})
    net.layer("BinaryOp", [y, net.larger(x, SCALE)], {0: 0}, blob="output")


def residual_ncnn(net):
    def add(value, branch, scale):
        return net.layer("Eltwise", [value, branch], {0: 1, -23301: f"2,1.0,{scale}"})

    shallow = y = net.convolution("input", "conv_first")
    for block in range(BLOCKS):
        before = y
        for part in ("rdb1", "rdb2", "rdb3"):
            seen = y
            for index in range(1, 5):
                seen = net.layer("Concat", [seen, net.leaky(seen, f"body.{block}.{part}.conv{index}")], {0: 0})
            y = add(y, net.convolution(seen, f"body.{block}.{part}.conv5"), RESIDUAL)
        y = add(before, y, RESIDUAL)
    y = net.layer("BinaryOp", [shallow, net.convolution(y, "conv_body")], {0: 0})
    for name in ("conv_up1", "conv_up2"):
        y = net.leaky(net.larger(y, 2), name)
    net.convolution(net.leaky(y, "conv_hr"), "conv_last", blob="output")


def weights_of(net, name):
    return net.weights[name].astype("<f4").tobytes()


class NcnnWriter:
    """Collects layers; where several read one blob, ncnn wants a Split between."""

    def __init__(self, weights):
        self.weights = weights
        self.layers = [("Input", [], "input", {})]
        self.data = []

    def layer(self, kind, inputs, options, data=(), blob=None):
        output = blob or f"b{len(self.layers)}"
        self.layers.append((kind, inputs, output, options))
        self.data += data
        return output

    def convolution(self, x, name, options=None, **rest):
        count, _, height, width = self.weights[name + ".weight"].shape
        size = self.weights[name + ".weight"].size
        shape = {0: count, 1: width, 11: height, 4: 1, 5: 1, 6: size, **(options or {})}
        # Four bytes 0 before the weights: that they are fp32.
        data = [bytes(4) + weights_of(self, name + ".weight"), weights_of(self, name + ".bias")]
        return self.layer("Convolution", [x], shape, data, **rest)

    def leaky(self, x, name):
        return self.convolution(x, name, {9: 2, -23310: f"1,{SLOPE}"})

    def larger(self, x, factor):
        return self.layer("Interp", [x], {0: 1, 1: float(factor), 2: float(factor)})

    def write(self, folder):
        readers = {}
        for _, inputs, _, _ in self.layers:
            for name in inputs:
                readers[name] = readers.get(name, 0) + 1
        lines, blobs, taken = [], 0, {}
        for kind, inputs, output, options in self.layers:
            sources = []
            for name in inputs:
                taken[name] = taken.get(name, 0) + 1
                sources.append(f"{name}_{taken[name]}" if readers[name] > 1 else name)
            said = " ".join(f"{key}={value}" for key, value in options.items())
            lines.append(f"{kind} {output} {len(sources)} 1 {' '.join([*sources, output])} {said}")
            blobs += 1
            count = readers.get(output, 0)
            if count > 1:
                copies = " ".join(f"{output}_{index + 1}" for index in range(count))
                lines.append(f"Split {output}_split 1 {count} {output} {copies}")
                blobs += count
        Path(folder, "model.param").write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""]))
        Path(folder, "model.bin").write_bytes(b"".join(self.data))
