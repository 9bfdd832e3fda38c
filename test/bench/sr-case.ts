import { createGraphBuilder } from '../../gpu-worker/graphs/onnx.ts';
import { loadSuperResolver } from '../../gpu-worker/methods/real-esrgan/engine.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';
import { upscaleImage } from '../support/bands.ts';
import { peakBytes } from '../support/peak-memory.ts';

/** One measurement in a process of its own; started by sr.ts. */
export type SrCase =
  | { kind: 'convolution' }
  | { kind: 'upscale'; model: RealEsrganId; tileSize: number; width: number; height: number };

export interface SrResult {
  peakBytes: number;
  /** Of an upscale: the fastest of two. */
  seconds?: number;
  /** Of the convolution: the best of ten. */
  gflops?: number;
}

async function measureUpscale({
  model,
  tileSize,
  width,
  height,
}: Extract<SrCase, { kind: 'upscale' }>): Promise<number> {
  const resolver = await loadSuperResolver({ model, device: 'cpu' });
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 2654435761) >>> 24);
  const options = { tileSize, onTile: () => {}, signal: new AbortController().signal };
  const times: number[] = [];
  for (let repeat = 0; repeat < 2; repeat++) {
    const started = performance.now();
    await upscaleImage({ width, height, channels: 3, data }, resolver, options);
    times.push((performance.now() - started) / 1000);
  }
  await resolver.release();
  return Math.min(...times);
}

async function measureConvolution(): Promise<number> {
  const channels = 64;
  const side = 256;
  const shape = [1, channels, side, side];
  const builder = createGraphBuilder('convolution');
  const input = builder.input('input', shape);
  const weight = builder.weight('weight', [channels, channels, 3, 3]);
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  builder.output('output', builder.node('Conv', [input, weight], attributes), shape);
  const noise = (length: number) => Float32Array.from({ length }, (_, index) => Math.sin(index));
  const session = await createSession(await compileModel(builder.build(), async () => noise(channels ** 2 * 9)), 'cpu');
  const data = noise(channels * side * side);
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < 10; repeat++) {
    const started = performance.now();
    await session.run({ input: { data, shape } });
    best = Math.min(best, (performance.now() - started) / 1000);
  }
  return (2 * channels * channels * 9 * side * side) / best / 1e9;
}

const given = JSON.parse(process.argv[2] ?? '') as SrCase;
const measured =
  given.kind === 'upscale' ? { seconds: await measureUpscale(given) } : { gflops: await measureConvolution() };
process.stdout.write(JSON.stringify({ ...measured, peakBytes: peakBytes() } satisfies SrResult));
