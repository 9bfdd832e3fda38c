import { createGraphBuilder } from '../../gpu-worker/graphs/onnx.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { engineOf } from '../../gpu-worker/methods/engines.ts';
import { directoryOf } from '../../gpu-worker/model-store/installed.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';
import { OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { gather } from '../support/bands.ts';
import { peakBytes } from '../support/peak-memory.ts';

/** One measurement in a process of its own; started by sr.ts. */
export type SrCase = { kind: 'convolution' } | UpscaleCase;

export type SrModel = RealEsrganId | 'dasr';

interface UpscaleCase {
  kind: 'upscale';
  model: SrModel;
  /** Of models that do not ship. */
  modelsDirectory: string;
  tileSize: number;
  width: number;
  height: number;
}

export interface SrResult {
  peakBytes: number;
  /** Of an upscale: the fastest of two. */
  seconds?: number;
  /** Of the convolution: the best of ten. */
  gflops?: number;
}

async function measureUpscale({ model, modelsDirectory, tileSize, width, height }: UpscaleCase): Promise<number> {
  const parameters = completeParameters(requestedParametersSchema.parse({ model }), OWN_MODELS);
  const engine = await engineOf(model);
  const { restore, release } = await engine.load(directoryOf(modelsDirectory, model), { device: 'cpu', parameters });
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 2654435761) >>> 24);
  const photo: Pixels = { width, height, channels: 3, data };
  const { signal } = new AbortController();
  const times: number[] = [];
  for (let repeat = 0; repeat < 2; repeat++) {
    const started = performance.now();
    const { bands } = await restore(photo, { parameters, tileSize, published: false, onProgress: () => {}, signal });
    await gather(bands, photo);
    times.push((performance.now() - started) / 1000);
  }
  await release();
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
