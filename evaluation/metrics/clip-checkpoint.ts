import type { TextEncoderConfig } from '../../gpu-worker/graphs/clip-text.ts';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import { type Checkpoint, checkShapes } from '../../gpu-worker/weights/checkpoint.ts';
import { renamed } from '../../gpu-worker/weights/combine.ts';
import type { ClipResnetConfig } from './clip-resnet-graph.ts';

/** Numbers of the whole program, counters of the training, and an embedding that CLIPIQA does without. */
const UNUSED =
  /^(input_resolution|context_length|vocab_size|visual\.attnpool\.positional_embedding)$|\.num_batches_tracked$/;
const HEAD_SIZE = 64;

export function usedOfClip(checkpoint: Checkpoint): Checkpoint {
  return renamed(checkpoint, (name) => (UNUSED.test(name) ? undefined : name));
}

/** By the shapes of OpenAI's file. `heads`: where they have not 64 channels each. */
export function textConfig({ tensors }: Checkpoint, heads?: number): TextEncoderConfig {
  const size = (name: string, axis = 0) => tensors.get(name)?.shape[axis] ?? 1;
  const width = size('ln_final.weight');
  return {
    vocab_size: size('token_embedding.weight'),
    max_position_embeddings: size('positional_embedding'),
    hidden_size: width,
    num_hidden_layers: blocksIn(tensors, /^transformer\.resblocks\.(\d+)\.ln_1\.bias$/),
    num_attention_heads: heads ?? Math.max(1, Math.floor(width / HEAD_SIZE)),
    intermediate_size: size('transformer.resblocks.0.mlp.c_fc.bias'),
    layer_norm_eps: 1e-5,
    hidden_act: 'quick_gelu',
  };
}

/** As above. */
export function resnetConfig({ tensors }: Checkpoint): ClipResnetConfig {
  return {
    width: tensors.get('visual.layer1.0.bn1.bias')?.shape[0] ?? 2,
    layers: [1, 2, 3, 4].map((layer) =>
      blocksIn(tensors, new RegExp(`^visual\\.layer${layer}\\.(\\d+)\\.bn1\\.bias$`)),
    ),
    features: tensors.get('visual.attnpool.c_proj.bias')?.shape[0] ?? 1,
  };
}

function blocksIn(tensors: Checkpoint['tensors'], pattern: RegExp): number {
  return [...tensors.keys()].filter((name) => pattern.test(name)).length;
}

/** Names of OpenAI's text encoder by those of `clip-text.ts`. */
const LAYER_NAMES: Readonly<Record<string, string>> = {
  layer_norm1: 'ln_1',
  layer_norm2: 'ln_2',
  'mlp.fc1': 'mlp.c_fc',
  'mlp.fc2': 'mlp.c_proj',
  'self_attn.out_proj': 'attn.out_proj',
};
const PARTS = ['q', 'k', 'v'];

interface Source {
  name: string;
  /** The third of it, of a matrix that holds queries, keys and values. */
  third?: number;
}

function sourceOf(name: string): Source {
  if (name === 'text_model.embeddings.position_embedding.weight') return { name: 'positional_embedding' };
  const layer = /^text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  if (!layer) return { name: name.replace('text_model.final_layer_norm', 'ln_final') };
  const [, index, part, kind] = layer as unknown as [string, string, string, string];
  const block = `transformer.resblocks.${index}`;
  const third = PARTS.findIndex((one) => part === `self_attn.${one}_proj`);
  if (third >= 0) return { name: `${block}.attn.in_proj_${kind}`, third };
  return { name: `${block}.${LAYER_NAMES[part]}.${kind}` };
}

/** Shapes of the tensors that the graphs and the prompts take, by the names of OpenAI's file. */
export function clipTensors(
  graphs: readonly Graph[],
  text: TextEncoderConfig,
  features: number,
): Map<string, readonly number[]> {
  const expected = new Map<string, readonly number[]>([
    ['token_embedding.weight', [text.vocab_size, text.hidden_size]],
    ['text_projection', [text.hidden_size, features]],
    ['logit_scale', []],
  ]);
  for (const [name, [first, ...rest]] of graphs.flatMap(({ weights }) => [...weights])) {
    const source = sourceOf(name);
    expected.set(source.name, [source.third === undefined ? first! : PARTS.length * first!, ...rest]);
  }
  return expected;
}

/** Throws AppError `engine-failed` unless it holds exactly these. */
export function checkClip(
  checkpoint: Checkpoint,
  graphs: readonly Graph[],
  text: TextEncoderConfig,
  features: number,
): void {
  checkShapes(clipTensors(graphs, text, features), checkpoint.tensors, checkpoint.files.join(', '));
}

/** A tensor of a graph, by its name there. */
export async function readClip(checkpoint: Checkpoint, graph: Graph, name: string): Promise<Float32Array<ArrayBuffer>> {
  const { name: stored, third } = sourceOf(name);
  const values = await checkpoint.read(stored);
  if (third === undefined) return values;
  const size = elementCount(graph.weights.get(name)!);
  return values.slice(third * size, (third + 1) * size);
}
