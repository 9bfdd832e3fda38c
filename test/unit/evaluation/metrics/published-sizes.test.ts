import { expect, test } from 'vitest';
import { clipTensors } from '../../../../evaluation/metrics/clip-checkpoint.ts';
import { clipResnet } from '../../../../evaluation/metrics/clip-resnet-graph.ts';
import { textGraph } from '../../../../evaluation/metrics/clipiqa-model.ts';
import { inception } from '../../../../evaluation/metrics/inception-graph.ts';
import { maniqa } from '../../../../evaluation/metrics/maniqa-graph.ts';
import { musiqEncoder, musiqStem } from '../../../../evaluation/metrics/musiq-graphs.ts';
import type { TextEncoderConfig } from '../../../../gpu-worker/graphs/clip-text.ts';
import type { Graph } from '../../../../gpu-worker/graphs/onnx.ts';
import { formulaValues } from '../../../support/formula-weights.ts';
import { publishedTensors } from '../../../support/metric-keys.ts';

const weightsOf = (...graphs: Graph[]) => Object.fromEntries(graphs.flatMap(({ weights }) => [...weights]));

test('MUSIQ in its published size wants exactly the tensors of the published file', async () => {
  const config = { hidden: 384, mlp: 1152, heads: 6, layers: 14, classes: 1 };
  expect(weightsOf(musiqStem(config), musiqEncoder(config))).toEqual(await publishedTensors('musiq', /koniq/));
});

test('Inception in its published size wants exactly the tensors of the published file', async () => {
  expect(weightsOf(inception(1))).toEqual(await publishedTensors('fid', /inception/));
});

test('CLIPIQA in its published size wants exactly the tensors of the published file', async () => {
  const text: TextEncoderConfig = {
    vocab_size: 49_408,
    max_position_embeddings: 77,
    hidden_size: 512,
    num_hidden_layers: 12,
    num_attention_heads: 8,
    intermediate_size: 2048,
    layer_norm_eps: 1e-5,
    hidden_act: 'quick_gelu',
  };
  const visual = clipResnet({ width: 64, layers: [3, 4, 6, 3], features: 1024 });
  const tensors = clipTensors([textGraph(text, {}), visual], text, 1024);
  expect(Object.fromEntries(tensors)).toEqual(await publishedTensors('clipiqa', /RN50/));
});

test('MANIQA in its published size wants exactly the tensors of the published file', async () => {
  const config = { patch: 8, channels: 768, vitHidden: 3072, vitHeads: 12, hidden: 768 };
  expect(weightsOf(maniqa(config, 0.13))).toEqual(await publishedTensors('maniqa', /PIPAL/));
});

test('the weights by formula are those of its description', () => {
  expect([...formulaValues('abc:n', 4, 0.5, 2)]).toEqual([
    1.5650882720947266, 2.418154239654541, 0.06297492980957031, 2.373727321624756,
  ]);
});
