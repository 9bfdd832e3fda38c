import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { createGraphBuilder } from '../../gpu-worker/graphs/onnx.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { engineOf } from '../../gpu-worker/methods/engines.ts';
import { loadSuperResolver } from '../../gpu-worker/methods/real-esrgan/engine.ts';
import { directoryOf } from '../../gpu-worker/model-store/installed.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';
import { OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { gather, upscaleImage } from '../support/bands.ts';
import { peakBytes } from '../support/peak-memory.ts';
import { loadUnstaged } from '../support/unstaged.ts';

interface Upscale {
  model: RealEsrganId;
  tileSize: number;
  width: number;
  height: number;
  /** The whole network in each tile, as before there were stages. */
  isUnstaged?: boolean;
}

/** One measurement in a process of its own; started by sr.ts. */
export type SrCase =
  | { kind: 'convolution' }
  | ({ kind: 'upscale'; repeats: number } & Upscale)
  /** By the whole method, built from files. */
  | ({ kind: 'restore'; repeats: number; model: 'dasr' | 'femasr'; modelsDirectory: string } & Omit<Upscale, 'model'>)
  /** On a photo with text. */
  | ({ kind: 'differences'; tileSizes: number[] } & Omit<Upscale, 'tileSize'>);

export type SrModel = Extract<SrCase, { model: string }>['model'];

export interface SrResult {
  peakBytes: number;
  /** Of an upscale: the fastest, and the least CPU time. */
  seconds?: number;
  cpuSeconds?: number;
  /** Of the convolution: the best of ten. */
  gflops?: number;
  /** Largest difference of an 8-bit value from the picture in one piece, by size of tile. */
  differences?: Record<number, number>;
}

const TEXT_PHOTO = fileURLToPath(new URL('../fixtures/photos/10_text_mies.png', import.meta.url));
const WHOLE = 10_000;

async function load({ model, isUnstaged = false }: Omit<Upscale, 'tileSize'>) {
  return isUnstaged ? await loadUnstaged(model) : await loadSuperResolver({ model, denoise: 1, device: 'cpu' });
}

const optionsOf = (tileSize: number) => ({ tileSize, onTile: () => {}, signal: new AbortController().signal });

async function measureUpscale({ repeats, ...given }: Extract<SrCase, { kind: 'upscale' }>) {
  const resolver = await load(given);
  const found = await fastest(repeats, () => upscaleImage(noiseOf(given), resolver, optionsOf(given.tileSize)));
  await resolver.release();
  return found;
}

async function measureRestore({ repeats, model, modelsDirectory, ...given }: Extract<SrCase, { kind: 'restore' }>) {
  const parameters = completeParameters(requestedParametersSchema.parse({ model }), OWN_MODELS);
  const engine = await engineOf(model);
  const { restore, release } = await engine.load(directoryOf(modelsDirectory, model), { device: 'cpu', parameters });
  const photo = noiseOf(given);
  const { tileSize, signal } = optionsOf(given.tileSize);
  const options = { parameters, tileSize, signal, published: false, onProgress: () => {} };
  const found = await fastest(repeats, async () => gather((await restore(photo, options)).bands, photo));
  await release();
  return found;
}

function noiseOf({ width, height }: Pick<Upscale, 'width' | 'height'>): Pixels {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 2654435761) >>> 24);
  return { width, height, channels: 3, data };
}

async function fastest(repeats: number, work: () => Promise<unknown>) {
  const found = { seconds: Number.POSITIVE_INFINITY, cpuSeconds: Number.POSITIVE_INFINITY };
  for (let repeat = 0; repeat < repeats; repeat++) {
    const [started, cpuStarted] = [performance.now(), process.cpuUsage()];
    await work();
    const { user, system } = process.cpuUsage(cpuStarted);
    found.seconds = Math.min(found.seconds, (performance.now() - started) / 1000);
    found.cpuSeconds = Math.min(found.cpuSeconds, (user + system) / 1e6);
  }
  return found;
}

async function measureDifferences({ tileSizes, ...given }: Extract<SrCase, { kind: 'differences' }>) {
  const { width, height } = given;
  const resolver = await load(given);
  const area = { left: 50, top: 50, width, height };
  const data = new Uint8Array(await sharp(TEXT_PHOTO).removeAlpha().extract(area).raw().toBuffer());
  const upscale = (tileSize: number) =>
    upscaleImage({ width, height, channels: 3, data }, resolver, optionsOf(tileSize));
  const whole = await upscale(WHOLE);
  const differences: Record<number, number> = {};
  for (const tileSize of tileSizes) {
    const picture = await upscale(tileSize);
    let largest = 0;
    for (const [index, value] of picture.data.entries()) {
      largest = Math.max(largest, Math.abs(value - whole.data[index]!));
    }
    differences[tileSize] = largest;
  }
  await resolver.release();
  return { differences };
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

async function measure(given: SrCase) {
  if (given.kind === 'upscale') return await measureUpscale(given);
  if (given.kind === 'restore') return await measureRestore(given);
  if (given.kind === 'differences') return await measureDifferences(given);
  return { gflops: await measureConvolution() };
}

const measured = await measure(JSON.parse(process.argv[2] ?? '') as SrCase);
process.stdout.write(JSON.stringify({ ...measured, peakBytes: peakBytes() } satisfies SrResult));
