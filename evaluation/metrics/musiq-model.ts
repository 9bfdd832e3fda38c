import type { GraphOptions } from '../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { type Checkpoint, checkShapes } from '../../gpu-worker/weights/checkpoint.ts';
import { type MusiqConfig, musiqEncoder, musiqStem, standardized } from './musiq-graphs.ts';
import { cutPatches, scalePicture } from './musiq-patches.ts';

/** Patches that go through the stem together: each needs a megabyte. */
const BATCH = 128;
const HEAD_SIZE = 64;

export interface Musiq {
  /** `picture` [1, 3, h, w] in 0..1 → `score` [1, 1], and the probes where there are some. */
  run(picture: Tensor): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** `heads`: of its attention, where they have not 64 channels each. Throws AppError `engine-failed` for another network. */
export async function loadMusiq(
  checkpoint: Checkpoint,
  device: Device,
  { heads, ...options }: GraphOptions & { heads?: number } = {},
): Promise<Musiq> {
  const config = configOf(checkpoint, heads);
  const graphs = [musiqStem(config, options), musiqEncoder(config, options)] as const;
  const expected = new Map(graphs.flatMap(({ weights }) => [...weights]));
  checkShapes(expected, checkpoint.tensors, checkpoint.files.join(', '));
  const read = async (name: string) => {
    const values = await checkpoint.read(name);
    const { shape } = checkpoint.tensors.get(name)!;
    return shape.length === 4 ? standardized(values, shape[0]!) : values;
  };
  const [stem, encoder] = [
    await createSession(await compileModel(graphs[0], read), device),
    await createSession(await compileModel(graphs[1], read), device),
  ];
  return {
    async run(picture) {
      const { patches, positions, scales } = cutPatches(scalePicture(picture));
      const parts: Record<string, Tensor>[] = [];
      for (const batch of batches(patches)) parts.push(await stem.run({ patches: batch }));
      const whole = joined(parts);
      const list = (values: number[]) => ({ data: Float32Array.from(values), shape: [values.length] });
      const found = await encoder.run({ tokens: whole.tokens!, positions: list(positions), scales: list(scales) });
      return { ...whole, ...found };
    },
    async release() {
      await stem.release();
      await encoder.release();
    },
  };
}

function configOf({ tensors }: Checkpoint, heads?: number): MusiqConfig {
  const size = (name: string) => tensors.get(name)?.shape[0] ?? 1;
  const hidden = size('embedding.bias');
  const blocks = [...tensors.keys()].flatMap((name) => /encoderblock_(\d+)\.norm1\.bias$/.exec(name)?.[1] ?? []);
  return {
    hidden,
    mlp: size('transformer_encoder.transformer.encoderblock_0.mlp.fc1.bias'),
    heads: heads ?? Math.max(1, Math.floor(hidden / HEAD_SIZE)),
    layers: blocks.length,
    classes: size('head.bias'),
  };
}

function batches({ data, shape }: Tensor): Tensor[] {
  const [count, ...rest] = shape as [number, ...number[]];
  const size = data.length / count;
  return Array.from({ length: Math.ceil(count / BATCH) }, (_, index) => {
    const part = data.subarray(index * BATCH * size, (index + 1) * BATCH * size);
    return { data: part, shape: [part.length / size, ...rest] };
  });
}

/** One below the other. */
function joined(parts: readonly Record<string, Tensor>[]): Record<string, Tensor> {
  const names = Object.keys(parts[0]!);
  return Object.fromEntries(
    names.map((name) => {
      const all = parts.map((part) => part[name]!);
      const data = new Float32Array(all.reduce((sum, part) => sum + part.data.length, 0));
      let at = 0;
      for (const part of all) {
        data.set(part.data, at);
        at += part.data.length;
      }
      return [name, { data, shape: [all.reduce((sum, { shape }) => sum + shape[0]!, 0), ...all[0]!.shape.slice(1)] }];
    }),
  );
}
