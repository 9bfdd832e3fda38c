import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import type { Checkpoint } from '../../gpu-worker/weights/checkpoint.ts';
import { AppError } from '../../shared/error.ts';
import { toFileLayout } from '../graph-layout.ts';
import { writeWhole } from '../run-directory.ts';
import { safetensorsParts } from '../write-safetensors.ts';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/** A net with its prefix in the graphs, and the path of its configuration. */
interface Net {
  checkpoint: Checkpoint;
  prefix: string;
  config: string;
}

/** Throws AppError `invalid` where there is something already: a folder is not replaced. */
export async function checkAbsent(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found) throw new AppError('invalid', `${path} is there already; name another --out.`);
}

/**
 * Writes the folder of a trained SeeSR as diffusers has it, `unet` and `controlnet` with weights and configuration: the trained
 * tensors, which are in the layout of the graph, and all others as they were. It appears whole or not at all.
 */
export async function writeTrained(
  out: string,
  nets: Readonly<Record<string, Net>>,
  graph: Graph,
  trained: ReadonlyMap<string, Tensor>,
): Promise<void> {
  const part = `${out}.part`;
  await rm(part, { recursive: true, force: true });
  for (const [folder, { checkpoint, prefix, config }] of Object.entries(nets)) {
    await mkdir(join(part, folder), { recursive: true });
    await copyFile(config, join(part, folder, 'config.json'));
    const shapes = new Map([...checkpoint.tensors].map(([name, { shape }]) => [name, shape]));
    const read = async (name: string) => {
      const tensor = trained.get(`${prefix}${name}`);
      return tensor ? toFileLayout(graph, `${prefix}${name}`, tensor).data : await checkpoint.read(name);
    };
    await writeWhole(join(part, folder, WEIGHTS), safetensorsParts(shapes, read));
  }
  await checkAbsent(out);
  await mkdir(dirname(out), { recursive: true });
  await rename(part, out);
}
