import type { GraphOptions } from '../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { type Checkpoint, checkShapes } from '../../gpu-worker/weights/checkpoint.ts';
import { renamed } from '../../gpu-worker/weights/combine.ts';
import { type Crop, cutCrop, gridCrops, prepareForCrops } from './maniqa-crops.ts';
import { type ManiqaConfig, maniqa } from './maniqa-graph.ts';

/** Never read, by the original as well: the end of the ViT, and constants that follow from the sizes. */
const UNUSED =
  /^vit\.(head|norm)\.|^vit\.blocks\.1[01]\.|^swintransformer\d\.downsample\.|\.(relative_position_index|attn_mask)$/;
const HEAD_SIZE = 64;
/** Keeps a picture without any weight from dividing by 0. */
const LEAST_WEIGHT = 1e-8;

export interface ManiqaOptions extends GraphOptions {
  /** Of the Swin layers: 0.13 of the weights of PIPAL, 0.8 of those of KonIQ-10k and KADID-10k. */
  scale: number;
  /** Of the ViT, where they have not 64 channels each. */
  heads?: number;
}

/** The crops of a picture of these sides. */
type CropsOf = (width: number, height: number) => readonly Crop[];

export interface Maniqa {
  /**
   * `picture` [1, 3, h, w] in 0..1; `cropsOf`: default the grid. → the score over all tokens of all crops, and of each crop the
   * probes.
   */
  run(picture: Tensor, cropsOf?: CropsOf): Promise<{ score: number; parts: Record<string, Tensor>[] }>;
  release(): Promise<void>;
}

/** Throws AppError `engine-failed` for another network. */
export async function loadManiqa(
  whole: Checkpoint,
  device: Device,
  { scale, heads, ...options }: ManiqaOptions,
): Promise<Maniqa> {
  const checkpoint = renamed(whole, (name) => (UNUSED.test(name) ? undefined : name));
  const graph = maniqa(configOf(checkpoint, heads), scale, options);
  checkShapes(graph.weights, checkpoint.tensors, whole.files.join(', '));
  const session = await createSession(await compileModel(graph, (name) => checkpoint.read(name)), device);
  return {
    async run(picture, cropsOf = gridCrops) {
      const prepared = prepareForCrops(picture);
      const [height, width] = prepared.shape.slice(2) as [number, number];
      const parts: Record<string, Tensor>[] = [];
      let [scores, weights] = [0, 0];
      for (const crop of cropsOf(width, height)) {
        const { sums, ...probes } = await session.run({ crop: cutCrop(prepared, crop) });
        scores += sums!.data[0]!;
        weights += sums!.data[1]!;
        parts.push(probes);
      }
      return { score: scores / (weights + LEAST_WEIGHT), parts };
    },
    release: () => session.release(),
  };
}

function configOf({ tensors }: Checkpoint, heads?: number): ManiqaConfig {
  const size = (name: string, axis = 0) => tensors.get(name)?.shape[axis] ?? 1;
  const channels = size('vit.patch_embed.proj.bias');
  return {
    patch: size('vit.patch_embed.proj.weight', 2),
    channels,
    vitHidden: size('vit.blocks.0.mlp.fc1.bias'),
    vitHeads: heads ?? Math.max(1, Math.floor(channels / HEAD_SIZE)),
    hidden: size('swintransformer1.layers.0.blocks.0.mlp.fc1.bias'),
  };
}
