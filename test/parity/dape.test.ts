import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { planWindows } from '../../gpu-worker/graphs/swin-windows.ts';
import { resizeForTagger } from '../../gpu-worker/images/bilinear-resize.ts';
import { findTags } from '../../gpu-worker/methods/seesr/prompt.ts';
import { createTagger } from '../../gpu-worker/methods/seesr/tagger.ts';
import { openCase, openSet, RECORDED_SET } from '../support/recorded-case.ts';
import { openRecordedCheckpoints } from '../support/recorded-checkpoints.ts';
import { compileTagger, computeDape } from './compute/dape.ts';

const CASES = [...(await openSet()).values()].filter(({ id }) => id.startsWith('dape_'));

test('there are cases with and without LoRA', () => {
  expect(new Set(CASES.map(({ parameters }) => parameters.lora))).toEqual(new Set([true, false]));
});

test.each(CASES)('$id: $title', async (recorded) => {
  const outputs = await computeDape(recorded);
  for (const name of recorded.outputNames) {
    expect(outputs[name]!.shape).toEqual(recorded.shape(name));
    await recorded.expectClose(name, outputs[name]!.data);
  }
});

test('without LoRA the tags are others', async () => {
  const recorded = await openCase('dape_kodim23');
  const { logits } = await computeDape(recorded, { lora: false });
  const { passes, largestDifference } = await recorded.compare('logits', logits!.data);
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(1); // the tolerance is 2e-4
});

/** Windows of the recorded set that are shifted: 12 of 96, 48 and 24 tokens a side. */
const SHIFTED = [96, 48, 24].map((resolution) => ({
  straight: planWindows({ height: resolution, width: resolution }, 12, 0),
  shifted: planWindows({ height: resolution, width: resolution }, 12, 6),
}));

/** Puts other numbers in the place of a constant; returns how often it was there. */
function replace(graph: Graph, from: readonly number[], to: readonly number[]): number {
  const text = `${from}`;
  const found = graph.proto.initializer.filter(({ int64Data }) => `${int64Data}` === text);
  for (const tensor of found) tensor.int64Data = to.map(BigInt);
  return found.length;
}

test.each([
  {
    without: 'mask',
    alter: (graph: Graph) =>
      SHIFTED.map(({ shifted: { regions } }) =>
        replace(
          graph,
          regions,
          regions.map(() => 0),
        ),
      ),
  },
  {
    without: 'shift',
    alter: (graph: Graph) =>
      SHIFTED.flatMap(({ straight, shifted }) => [
        replace(graph, shifted.order, straight.order),
        replace(graph, shifted.inverse, straight.inverse),
        replace(
          graph,
          shifted.regions,
          shifted.regions.map(() => 0),
        ),
      ]),
  },
])('without the $without of the windows the image embeds are others', async ({ alter }) => {
  const recorded = await openCase('dape_kodim23');
  const counts: number[] = [];
  const { image_embeds } = await computeDape(recorded, { alter: (graph) => counts.push(...alter(graph)) });
  expect(new Set(counts)).toEqual(new Set([1]));
  const { passes, largestDifference } = await recorded.compare('image_embeds', image_embeds!.data);
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(0.5); // the tolerance is 2e-4
});

test('as a model: image embeds, and the tags that the reference found', async () => {
  const recorded = await openCase('dape_kodim23');
  await using checkpoints = await openRecordedCheckpoints(recorded.folder);
  const { tags, thresholds } = checkpoints.configs.tagger;
  const { model } = await compileTagger(recorded.folder);
  const tagger = createTagger({ model, device: 'cpu' });
  const image = resizeForTagger(await recorded.image('image'), { size: 384, antialias: false });
  const { imageEmbeds, logits } = await tagger.describe(image);
  await tagger.release();
  await recorded.expectClose('image_embeds', imageEmbeds.data);
  const known = tags!.map((name, index) => ({ name, threshold: thresholds![index]! }));
  const found = findTags(logits, known);
  expect(found.map(({ name }) => name).join(', ')).toBe(recorded.parameters.tags);
});

test('stored in fp16 it is close: 11 significant bits of every weight', async () => {
  const recorded = await openCase('dape_kodim23');
  const outputs = await computeDape(recorded, { flavor: { storage: 'float16', compute: 'float16' } });
  for (const name of ['swin_tokens', 'image_embeds', 'logits']) {
    const { passes, largestDifference } = await recorded.compare(name, outputs[name]!.data);
    expect(passes).toBe(false); // else nothing was rounded
    expect(largestDifference).toBeLessThan(0.05); // of values up to 9
  }
});

test.each(['float32', 'float16'] as const)(
  'stored in %s, values that depend only on weights are computed when it is loaded',
  async (storage) => {
    const { model, graph } = await compileTagger(RECORDED_SET, { flavor: { storage, compute: storage } });
    const operators = await profiledOperators(model, 384);
    const count = (...names: string[]) => operators.filter((name) => names.includes(name)).length;
    // The ReLU of the label queries is the only one, the comparison of regions and the cast of weights as well.
    expect(count('Relu', 'Equal', 'Where', 'Cast')).toBe(0);
    // All linear layers but the two of the label queries.
    expect(count('MatMul', 'Gemm', 'FusedMatMul')).toBe(graph.transposed.size - 2);
    // Windows and back in 8 blocks, three mergers; none picks position biases.
    expect(count('Gather')).toBe(2 * 8 + 3);
  },
);

/** Types of all operators that ONNX Runtime runs for one picture. */
async function profiledOperators(model: Uint8Array, size: number): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-profile-'));
  try {
    const profile = { enableProfiling: true, profileFilePrefix: join(directory, 'run') };
    const session = await InferenceSession.create(model, { ...profile, logSeverityLevel: 4 });
    await session.run({ image: new RuntimeTensor('float32', new Float32Array(3 * size ** 2), [1, 3, size, size]) });
    session.endProfiling();
    await session.release();
    const [file] = await readdir(directory);
    const events = JSON.parse(await readFile(join(directory, file!), 'utf8')) as ProfileEvent[];
    return events.filter(({ name }) => name.endsWith('_kernel_time')).map(({ args }) => args!.op_name);
  } finally {
    await rm(directory, { recursive: true });
  }
}

interface ProfileEvent {
  name: string;
  args?: { op_name: string };
}
