import { createGraphBuilder } from '../../gpu-worker/graphs/onnx.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { loadSuperResolver } from '../../gpu-worker/methods/real-esrgan/engine.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import { elementCount, type Tensor } from '../../gpu-worker/tensor/tensor.ts';
import type { SuperResolver } from '../../gpu-worker/tiling/picture-tiles.ts';
import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';
import { upscaleImage } from '../support/bands.ts';

/** Measurements of one device in a process of its own; started by gpu.ts. */
const MEASUREMENTS = { raw, upscale };
export type GpuMeasurements = typeof MEASUREMENTS;

interface UpscaleCase {
  device: Device;
  model: RealEsrganId;
  side: number;
  compared: number;
}

const CHANNELS = 64;
const REPEATS = 3;
const TILE_SIZE = 256;

/** In GFLOP/s: convolutions 3×3 in a row, of which only one number leaves the device. */
async function raw({ device, side, layers }: { device: Device; side: number; layers: number }) {
  const builder = createGraphBuilder('raw');
  const shape = [1, CHANNELS, side, side];
  let value = builder.input('input', shape);
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  for (let layer = 0; layer < layers; layer++) {
    const weight = builder.weight(`weight${layer}`, [CHANNELS, CHANNELS, 3, 3]);
    value = builder.node('Conv', [value, weight], attributes);
  }
  builder.output('output', builder.node('ReduceMean', [value, builder.integers([0, 1, 2, 3])]));
  const graph = builder.build();
  const model = await compileModel(graph, async (name) =>
    Float32Array.from(numbers([...graph.weights.get(name)!], 0.05).data),
  );
  const session = await createSession(model, device);
  const input = numbers(shape, 1);
  const seconds = await fastest(() => session.run({ input }));
  await session.release();
  return { gflops: (layers * 2 * CHANNELS ** 2 * 9 * side ** 2) / seconds / 1e9 };
}

/** Seconds of a photo of `side` × `side`, after the first; the largest difference to the CPU of one of `compared` × `compared`, 0..1. */
async function upscale({ device, model, side, compared }: UpscaleCase) {
  const started = performance.now();
  const resolver = await loadSuperResolver({ model, device });
  const small = photo(compared);
  const actual = await enlarge(small, resolver);
  const loadSeconds = (performance.now() - started) / 1000;
  const large = photo(side);
  const seconds = await fastest(() => enlarge(large, resolver));
  await resolver.release();
  const onCpu = await loadSuperResolver({ model, device: 'cpu' });
  const expected = await enlarge(small, onCpu);
  await onCpu.release();
  const differences = Float64Array.from(actual.data, (value, index) => Math.abs(value - expected.data[index]!));
  return {
    loadSeconds,
    seconds,
    difference: differences.reduce((most, value) => Math.max(most, value), 0) / MOST_16_BIT,
  };
}

const MOST_16_BIT = 65_535;

function photo(side: number): Pixels {
  const { data } = numbers([side, side, 3], 255);
  return { width: side, height: side, channels: 3, data: Uint8Array.from(data) };
}

function enlarge(pixels: Pixels, resolver: SuperResolver): Promise<Pixels> {
  const { signal } = new AbortController();
  return upscaleImage(pixels, resolver, { tileSize: TILE_SIZE, bitDepth: 16, signal, onTile: () => {} });
}

async function fastest(work: () => Promise<unknown>): Promise<number> {
  await work(); // the first compiles its kernels
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const started = performance.now();
    await work();
    best = Math.min(best, (performance.now() - started) / 1000);
  }
  return best;
}

function numbers(shape: number[], most: number): Tensor {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, index) => most * Math.abs(Math.sin(index ** 2)));
  return { data, shape };
}

const [kind, given] = JSON.parse(process.argv[2] ?? '') as [keyof GpuMeasurements, never];
process.stdout.write(JSON.stringify(await MEASUREMENTS[kind](given)));
