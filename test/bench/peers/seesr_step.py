"""One step of SeeSR in PyTorch, eager, as its authors compute it: ControlNet, then UNet, both for both halves of the guidance.

Modules have the names of the published checkpoints. Run: python seesr_step.py DIRECTORY LATENT_SIDE REPEATS THREADS, where
weights, inputs and our result lie in DIRECTORY (written by seesr-case.ts); prints JSON.
"""

import json
import math
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SIZES = (320, 640, 1280, 1280)
HEADS = (5, 10, 20, 20)
LAYERS = 2
GROUPS = 32
TEXT_SIZE = 1024
IMAGE_SIZE = 512
STEM_SIZES = (16, 32, 96, 256)


class Attention(nn.Module):
    def __init__(self, size, context_size, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(size, size, bias=False)
        self.to_k = nn.Linear(context_size, size, bias=False)
        self.to_v = nn.Linear(context_size, size, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(size, size)])

    def forward(self, x, context):
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context)))
        return self.to_out[0](attended.transpose(1, 2).flatten(2))


class GatedGelu(nn.Module):
    def __init__(self, size, wide):
        super().__init__()
        self.proj = nn.Linear(size, 2 * wide)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class BasicBlock(nn.Module):
    def __init__(self, size, context_size, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(size) for _ in range(3))
        self.attn1 = Attention(size, size, heads)
        self.attn2 = Attention(size, context_size, heads)
        self.ff = nn.Module()
        self.ff.net = nn.ModuleList([GatedGelu(size, 4 * size), nn.Identity(), nn.Linear(4 * size, size)])

    def forward(self, x, context):
        normal = self.norm1(x)
        x = x + self.attn1(normal, normal)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff.net[2](self.ff.net[0](self.norm3(x)))


class Transformer(nn.Module):
    def __init__(self, size, context_size, heads):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, size, eps=1e-6)
        self.proj_in = nn.Linear(size, size)
        self.transformer_blocks = nn.ModuleList([BasicBlock(size, context_size, heads)])
        self.proj_out = nn.Linear(size, size)

    def forward(self, x, context):
        pixels = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        pixels = self.proj_out(self.transformer_blocks[0](pixels, context))
        return x + pixels.transpose(1, 2).reshape(x.shape)


class ResnetBlock(nn.Module):
    def __init__(self, from_size, to_size):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, from_size, eps=1e-5)
        self.conv1 = nn.Conv2d(from_size, to_size, 3, padding=1)
        self.time_emb_proj = nn.Linear(4 * SIZES[0], to_size)
        self.norm2 = nn.GroupNorm(GROUPS, to_size, eps=1e-5)
        self.conv2 = nn.Conv2d(to_size, to_size, 3, padding=1)
        if from_size != to_size:
            self.conv_shortcut = nn.Conv2d(from_size, to_size, 1)

    def forward(self, x, time):
        y = self.conv1(F.silu(self.norm1(x)))
        y = y + self.time_emb_proj(F.silu(time))[:, :, None, None]
        y = self.conv2(F.silu(self.norm2(y)))
        return y + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Block(nn.Module):
    """Residual blocks, each followed by the transformers of text and image where there are heads."""

    def __init__(self, sizes, heads, units, resampler=None):
        super().__init__()
        size = sizes[0][1]
        self.resnets = nn.ModuleList([ResnetBlock(*pair) for pair in sizes])
        if heads:
            self.attentions = nn.ModuleList([Transformer(size, TEXT_SIZE, heads) for _ in range(units)])
            self.image_attentions = nn.ModuleList([Transformer(size, IMAGE_SIZE, heads) for _ in range(units)])
        if resampler:
            layer = nn.Module()
            layer.conv = nn.Conv2d(size, size, 3, padding=1, stride=2 if resampler == "downsamplers" else 1)
            setattr(self, resampler, nn.ModuleList([layer]))

    def layer(self, index, x, conditions):
        x = self.resnets[index](x, conditions["time"])
        if hasattr(self, "attentions") and index < len(self.attentions):
            x = self.attentions[index](x, conditions["text"])
            x = self.image_attentions[index](x, conditions["image"])
        return x


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        first, last = SIZES[0], len(SIZES) - 1
        self.conv_in = nn.Conv2d(4, first, 3, padding=1)
        self.time_embedding = nn.Module()
        self.time_embedding.linear_1 = nn.Linear(first, 4 * first)
        self.time_embedding.linear_2 = nn.Linear(4 * first, 4 * first)
        self.down_blocks = nn.ModuleList()
        for index, size in enumerate(SIZES):
            pairs = [(SIZES[max(0, index - 1)], size)] + [(size, size)] * (LAYERS - 1)
            heads = HEADS[index] if index < last else None
            self.down_blocks.append(Block(pairs, heads, LAYERS, "downsamplers" if index < last else None))
        self.mid_block = Block([(SIZES[-1], SIZES[-1])] * 2, HEADS[-1], 1)

    def conditions(self, timestep, text, image):
        half = SIZES[0] // 2
        angles = timestep[:, None] * torch.exp(torch.arange(half) * (-math.log(10_000) / half))
        embedding = self.time_embedding.linear_1(torch.cat([angles.cos(), angles.sin()], dim=-1))
        return {"time": self.time_embedding.linear_2(F.silu(embedding)), "text": text, "image": image}

    def encode(self, x, conditions):
        skips = [x]
        for block in self.down_blocks:
            for index in range(LAYERS):
                x = block.layer(index, x, conditions)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0].conv(x)
                skips.append(x)
        for index in range(2):
            x = self.mid_block.layer(index, x, conditions)
        return skips, x


class ControlNet(Encoder):
    def __init__(self):
        super().__init__()
        self.controlnet_cond_embedding = stem = nn.Module()
        stem.conv_in = nn.Conv2d(3, STEM_SIZES[0], 3, padding=1)
        stem.blocks = nn.ModuleList()
        for small, large in zip(STEM_SIZES, STEM_SIZES[1:]):
            stem.blocks.append(nn.Conv2d(small, small, 3, padding=1))
            stem.blocks.append(nn.Conv2d(small, large, 3, padding=1, stride=2))
        stem.conv_out = nn.Conv2d(STEM_SIZES[-1], SIZES[0], 3, padding=1)
        channels = [SIZES[0]]
        for index, size in enumerate(SIZES):
            channels += [size] * (LAYERS + (index < len(SIZES) - 1))
        self.controlnet_down_blocks = nn.ModuleList([nn.Conv2d(size, size, 1) for size in channels])
        self.controlnet_mid_block = nn.Conv2d(SIZES[-1], SIZES[-1], 1)

    def forward(self, latent, timestep, text, image, pixels):
        stem = self.controlnet_cond_embedding
        seen = F.silu(stem.conv_in(pixels))
        for layer in stem.blocks:
            seen = F.silu(layer(seen))
        skips, middle = self.encode(self.conv_in(latent) + stem.conv_out(seen), self.conditions(timestep, text, image))
        return [layer(skip) for layer, skip in zip(self.controlnet_down_blocks, skips)], self.controlnet_mid_block(middle)


class Unet(Encoder):
    def __init__(self):
        super().__init__()
        sizes, heads, last = SIZES[::-1], HEADS[::-1], len(SIZES) - 1
        self.up_blocks = nn.ModuleList()
        for index, size in enumerate(sizes):
            pairs = []
            for layer in range(LAYERS + 1):
                before = sizes[max(0, index - 1)] if layer == 0 else size
                skip = sizes[min(last, index + 1)] if layer == LAYERS else size
                pairs.append((before + skip, size))
            block = Block(pairs, heads[index] if index else None, LAYERS + 1, "upsamplers" if index < last else None)
            self.up_blocks.append(block)
        self.conv_norm_out = nn.GroupNorm(GROUPS, SIZES[0], eps=1e-5)
        self.conv_out = nn.Conv2d(SIZES[0], 4, 3, padding=1)

    def forward(self, latent, timestep, text, image, residuals, residual):
        conditions = self.conditions(timestep, text, image)
        skips, x = self.encode(self.conv_in(latent), conditions)
        skips = [skip + control for skip, control in zip(skips, residuals)]
        x = x + residual
        for block in self.up_blocks:
            for index in range(LAYERS + 1):
                x = block.layer(index, torch.cat([x, skips.pop()], dim=1), conditions)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0].conv(F.interpolate(x, size=skips[-1].shape[2:], mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(x)))


def step(control, unet, latent, timestep, text, image, pixels):
    residuals, residual = control(latent, timestep, text, image, pixels)
    return unet(latent, timestep, text, image, residuals, residual)


def load(network, directory, name):
    """The numbers stay in the file until they are used, as with ours."""
    shapes = json.loads(Path(directory, f"{name}.json").read_text())
    numbers = torch.from_numpy(np.memmap(Path(directory, f"{name}.bin"), "<f4", "c"))
    pieces = numbers.split([math.prod(shape) for _, shape in shapes])
    tensors = {key: piece.view(shape) for (key, shape), piece in zip(shapes, pieces)}
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval()


def least_cost(work, repeats):
    """Of so many calls the least seconds, and the least CPU seconds."""
    seconds, cpu_seconds = [], []
    for _ in range(repeats):
        started, cpu_started = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    return {"seconds": min(seconds), "cpuSeconds": min(cpu_seconds)}


def main():
    directory, side, repeats, threads = sys.argv[1], *map(int, sys.argv[2:])
    torch.set_num_threads(threads)
    read = lambda name, *shape: torch.from_numpy(np.fromfile(Path(directory, name), "<f4").reshape(shape))
    with torch.no_grad():
        with torch.device("meta"):
            control, unet = ControlNet(), Unet()
        control, unet = load(control, directory, "controlNet"), load(unet, directory, "unet")
        inputs = (
            read("latent", 1, 4, side, side).repeat(2, 1, 1, 1),
            torch.full((2,), 981.0),
            read("text", 2, 77, TEXT_SIZE),
            read("image", 1, 145, IMAGE_SIZE).repeat(2, 1, 1),
            read("pixels", 1, 3, 8 * side, 8 * side).repeat(2, 1, 1, 1),
        )
        result = step(control, unet, *inputs).numpy()
        ours = np.fromfile(Path(directory, "ours"), "<f4").reshape(result.shape)
        cost = least_cost(lambda: step(control, unet, *inputs), repeats)
    measured = {
        "version": torch.__version__,
        **cost,
        "peakBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "difference": float(np.abs(result - ours).max()),
        "deviation": float(result.std()),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
