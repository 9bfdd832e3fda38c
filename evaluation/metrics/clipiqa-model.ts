import { encodedText, positionsOf, type TextEncoderConfig } from '../../gpu-worker/graphs/clip-text.ts';
import { createGraphBuilder, type Graph, type GraphOptions } from '../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import type { Checkpoint } from '../../gpu-worker/weights/checkpoint.ts';
import { AppError } from '../../shared/error.ts';
import { checkClip, readClip, resnetConfig, textConfig, usedOfClip } from './clip-checkpoint.ts';
import { clipResnet } from './clip-resnet-graph.ts';
import { embedLearned, embedPrompts, PROMPTS, type Prompts } from './clipiqa-prompts.ts';

/** Smaller pictures leave no position. */
const LEAST_SIDE = 32;

export interface ClipiqaOptions extends GraphOptions {
  /** Of CLIPIQA+: a file whose root is a tensor [2, 16, width]. */
  learned?: Checkpoint;
  /** Of the text encoder, where they have not 64 channels each. */
  heads?: number;
}

export interface Clipiqa {
  /** `text_features` [prompts, features], not normalized, `prompts` [prompts, tokens, width], and the probes of the text encoder. */
  text: Record<string, Tensor>;
  /** [1, 3, h, w] in 0..1 → `logits` [1, prompts], `score` [1, 1], `image_features`, and the probes. Throws RangeError below 32 pixels. */
  run(picture: Tensor): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** The text encoder is run here and not kept. Throws AppError `engine-failed` for another network. */
export async function loadClipiqa(
  whole: Checkpoint,
  device: Device,
  { learned, heads, ...options }: ClipiqaOptions = {},
): Promise<Clipiqa> {
  const checkpoint = usedOfClip(whole);
  const [config, visual] = [textConfig(checkpoint, heads), resnetConfig(checkpoint)];
  const graphs = [textGraph(config, options), clipResnet(visual, options)] as const;
  checkClip(checkpoint, graphs, config, visual.features);
  const open = async (graph: Graph) => {
    return await createSession(await compileModel(graph, (name) => readClip(checkpoint, graph, name)), device);
  };
  const prompts = await promptsOf(checkpoint, config, learned);
  const shape = [prompts.ends.length, config.max_position_embeddings, config.hidden_size];
  const encoder = await open(graphs[0]);
  const { hidden, ...probes } = await encoder.run({ words: { data: prompts.vectors, shape } });
  await encoder.release();
  const text = project(hidden!, prompts.ends, await checkpoint.read('text_projection'));
  const scale = Math.exp((await checkpoint.readValues('logit_scale'))[0]!);
  const session = await open(graphs[1]);
  return {
    text: { ...probes, prompts: { data: prompts.vectors, shape }, text_features: text },
    async run(picture) {
      const [height, width] = picture.shape.slice(2) as [number, number];
      if (Math.min(height, width) < LEAST_SIDE) {
        throw new RangeError(`${width}×${height} pixels are too few for CLIPIQA, which needs ${LEAST_SIDE} a side.`);
      }
      const outputs = await session.run({ image: picture });
      const logits = rowsOf(text).map((row) => scale * cosine(outputs.image_features!.data, row));
      const score = { data: Float32Array.of(meanShare(logits)), shape: [1, 1] };
      return { ...outputs, logits: { data: Float32Array.from(logits), shape: [1, logits.length] }, score };
    },
    release: () => session.release(),
  };
}

/** `words` [prompts, tokens, width] → `hidden`, the same. */
export function textGraph(config: TextEncoderConfig, options: GraphOptions): Graph {
  const graph = createGraphBuilder('clip-words', options);
  const shape = ['prompts', config.max_position_embeddings, config.hidden_size];
  graph.output('hidden', encodedText(graph, graph.input('words', shape), positionsOf(graph, config), config), shape);
  return graph.build();
}

async function promptsOf(checkpoint: Checkpoint, config: TextEncoderConfig, learned?: Checkpoint): Promise<Prompts> {
  const { hidden_size: width, max_position_embeddings: length } = config;
  const table = await checkpoint.read('token_embedding.weight');
  if (!learned) return embedPrompts(PROMPTS, table, width, length);
  const shape = learned.tensors.get('')?.shape;
  if (`${shape}` !== `2,16,${width}`) {
    throw new AppError(
      'engine-failed',
      `${learned.files} is not one tensor [2, 16, ${width}], the learned prompts of CLIPIQA+.`,
    );
  }
  return embedLearned(await learned.read(''), table, width, length);
}

/** What stands at the end of each prompt, times [width, features]. */
function project({ data, shape }: Tensor, ends: readonly number[], projection: Float32Array): Tensor {
  const [, length, width] = shape as [number, number, number];
  const features = projection.length / width;
  const result = new Float32Array(ends.length * features);
  for (const [prompt, end] of ends.entries()) {
    for (let feature = 0; feature < features; feature++) {
      let sum = 0;
      for (let index = 0; index < width; index++) {
        sum += data[(prompt * length + end) * width + index]! * projection[index * features + feature]!;
      }
      result[prompt * features + feature] = sum;
    }
  }
  return { data: result, shape: [ends.length, features] };
}

function rowsOf({ data, shape }: Tensor): Float32Array[] {
  const [rows, columns] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => data.subarray(row * columns, (row + 1) * columns));
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [product, squareA, squareB] = [0, 0, 0];
  for (const [index, value] of a.entries()) {
    product += value * b[index]!;
    squareA += value ** 2;
    squareB += b[index]! ** 2;
  }
  return product / Math.sqrt(squareA * squareB);
}

/** Of each pair the softmax share of its first; the mean of all. */
function meanShare(logits: readonly number[]): number {
  let sum = 0;
  for (let index = 0; index < logits.length; index += 2) sum += 1 / (1 + Math.exp(logits[index + 1]! - logits[index]!));
  return sum / (logits.length / 2);
}
