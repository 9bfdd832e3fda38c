import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { cropPixels } from '../../gpu-worker/images/crop.ts';
import { look } from '../../gpu-worker/methods/dasr/look.ts';
import type { DasrModels } from '../../gpu-worker/methods/dasr/models.ts';
import type { NetworkName } from '../../gpu-worker/methods/dasr/networks.ts';
import type { Network } from '../../gpu-worker/model-store/build-plan.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { openCase } from '../support/recorded-case.ts';
import { computeBatch, computeMixture, computeNetwork, computePredictor, openModels } from './compute/dasr.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/dasr', import.meta.url));

type Node = Graph['proto']['node'][number];
type Alter = (network: Network) => Network;

/** Changes those nodes of one network that `pick` finds; throws where there is none. */
function nodesOf(name: NetworkName, operator: string, change: (node: Node) => void, pick = (_: Node[]) => _): Alter {
  return (network) => {
    if (network.name !== name) return network;
    const found = pick(network.graph.proto.node.filter(({ opType }) => opType === operator));
    if (found.length === 0) throw new Error(`${name} has no ${operator}.`);
    found.forEach(change);
    return network;
  };
}

const attribute = (node: Node, name: string) => node.attribute.find((found) => found.name === name)!;
const text = (value: string) => new TextEncoder().encode(value);
const last = (nodes: Node[]) => nodes.slice(-1);
const butLast = (nodes: Node[]) => nodes.slice(0, -1);

function handOn(node: Node, input: number): void {
  Object.assign(node, { opType: 'Identity', input: [node.input[input]!], attribute: [] });
}

function leaky(node: Node, slope: Node): void {
  Object.assign(node, { opType: 'LeakyRelu', attribute: slope.attribute });
}

const base = (change: (node: Node) => void) => nodesOf('generator', 'Resize', change);

/** Each expert's bias such that any mixture gives the mean: those of the README's change. */
const averageBiases =
  (mixture: Tensor): Alter =>
  (network) => {
    if (network.name !== 'generator') return network;
    const total = mixture.data.reduce((sum, weight) => sum + weight, 0);
    const read = async (name: string) => {
      const values = await network.read(name);
      if (!name.endsWith('.bias')) return values;
      const experts = mixture.data.length;
      const size = values.length / experts;
      const means = Array.from({ length: size }, (_, at) => {
        return values.reduce((sum, value, index) => (index % size === at ? sum + value / experts : sum), 0);
      });
      return values.map((_, index) => means[index % size]! / total);
    };
    return { ...network, read };
  };

/** By the words of the set. */
const NETWORK_CHANGES: Record<string, Alter> = {
  'slope 0.2 in place of 0.1': nodesOf('generator', 'LeakyRelu', (node) => {
    attribute(node, 'alpha').f = 0.2;
  }),
  'leaky slope inside the residual blocks': (network) => {
    const [slope] = network.graph.proto.node.filter(({ opType }) => opType === 'LeakyRelu');
    return nodesOf('generator', 'Relu', (node) => leaky(node, slope!))(network);
  },
  'residual sums left out': nodesOf('generator', 'Add', (node) => handOn(node, 1), butLast),
  'bilinear base left out': nodesOf('generator', 'Add', (node) => handOn(node, 0), last),
  'nearest base': base((node) => {
    attribute(node, 'mode').s = text('nearest');
  }),
  'bilinear base with aligned corners': base((node) => {
    attribute(node, 'coordinate_transformation_mode').s = text('align_corners');
  }),
  'bicubic base': base((node) => {
    attribute(node, 'mode').s = text('cubic');
  }),
  'pixel shuffle with channels last in the block (depth to space, DCR)': nodesOf(
    'generator',
    'DepthToSpace',
    (node) => {
      attribute(node, 'mode').s = text('DCR');
    },
  ),
};

const softmax = (weights: Float32Array) => {
  const powers = weights.map(Math.exp);
  return powers.map((power) => power / powers.reduce((sum, value) => sum + value, 0));
};
const MIXTURE_CHANGES: Record<string, (weights: Float32Array) => Float32Array> = {
  'softmax of the mixing weights': softmax,
  'mixing weights scaled to a sum of 1': (weights) => {
    return weights.map((weight) => weight / weights.reduce((sum, value) => sum + value, 0));
  },
  'first expert only': (weights) => weights.map((_, expert) => (expert === 0 ? 1 : 0)),
};

const PREDICTOR_CHANGES: Record<string, Alter> = {
  'an activation between the linear layers': (network) => {
    if (network.name !== 'mixture') return network;
    const { node } = network.graph.proto;
    const [, second] = node.filter(({ opType }) => opType === 'MatMul');
    const between = { ...second!, name: '/between', opType: 'Relu', input: [second!.input[0]!], output: ['/between'] };
    node.splice(node.indexOf(second!), 0, between);
    second!.input[0] = '/between';
    return network;
  },
  'last activation of the predictor left out': nodesOf('degradation', 'LeakyRelu', (node) => handOn(node, 0), last),
  'no stride': nodesOf('degradation', 'Conv', (node) => {
    attribute(node, 'strides').ints = [1n, 1n];
  }),
};

/** They change no graph: see the tests of their own. */
const OTHERS = [
  'the mixture of the first picture for both of a batch',
  'biases not mixed but averaged',
  'left half of the picture only (a tile)',
];

test('every mechanism of the table is switched off once', async () => {
  const { sensitivity } = JSON.parse(await readFile(join(FOLDER, 'cases.json'), 'utf8'));
  const changes = [NETWORK_CHANGES, MIXTURE_CHANGES, PREDICTOR_CHANGES].flatMap((table) => Object.keys(table));
  const recorded = sensitivity.map(({ change }: { change: string }) => change);
  expect([...changes, ...OTHERS].toSorted()).toEqual(recorded.toSorted());
});

async function expectFar(id: string, output: string, actual: ArrayLike<number>): Promise<void> {
  const { passes, worst } = await (await openCase(id, FOLDER)).compare(output, actual);
  expect(passes).toBe(false);
  expect(worst).toBeGreaterThan(100); // times the allowed difference
}

describe('without a mechanism the numbers are others', () => {
  test.each(Object.entries(NETWORK_CHANGES))('%s', async (_, alter) => {
    const models = await openModels(FOLDER, { alter });
    const { outputs } = await computeNetwork(await openCase('network_16x16', FOLDER), models);
    await models.release();
    await expectFar('network_16x16', 'output', outputs.output!.data);
  });

  test.each(Object.entries(PREDICTOR_CHANGES))('%s', async (_, alter) => {
    const models = await openModels(FOLDER, { alter });
    const { outputs } = await computePredictor(await openCase('predictor_40x33', FOLDER), models);
    await models.release();
    await expectFar('predictor_40x33', 'weights', outputs.weights!.data);
  });

  test('biases not mixed but averaged', async () => {
    const recorded = await openCase('network_16x16', FOLDER);
    const models = await openModels(FOLDER, { alter: averageBiases(await recorded.tensor('weights')) });
    const { outputs } = await computeNetwork(recorded, models);
    await models.release();
    await expectFar('network_16x16', 'output', outputs.output!.data);
  });
});

describe('with the networks of the set', () => {
  let models: DasrModels;
  beforeAll(async () => {
    models = await openModels(FOLDER);
  });
  afterAll(() => models.release());

  test.each(Object.entries(MIXTURE_CHANGES))('another mixture is another picture: %s', async (_, change) => {
    const recorded = await openCase('network_16x16', FOLDER);
    const { data, shape } = await recorded.tensor('weights');
    const input = await recorded.tensor('input');
    const { output } = await models.generator.run({ input, mixture: { data: change(data), shape } });
    await expectFar('network_16x16', 'output', output!.data);
  });

  test('the mixture of the first picture for both of a batch is wrong', async () => {
    const { outputs } = await computeBatch(await openCase('batch', FOLDER), models, () => 0);
    await expectFar('batch', 'output', outputs.output!.data);
  });

  test('the half of a photo has another mixture: a tile must not mix for itself', async () => {
    const photo = await (await openCase('predictor_40x33', FOLDER)).image('image');
    const half = cropPixels(photo, { x: 0, y: 0, width: 20, height: photo.height });
    const { mixture } = await look(half, models, looking(1000));
    await expectFar('predictor_40x33', 'weights', mixture.data);
  });

  test('tiles of any size see what the whole photo shows', async () => {
    for (const id of ['predictor_40x33', 'predictor_31x24', 'predictor_7x5']) {
      const recorded = await openCase(id, FOLDER);
      const photo = await recorded.image('image');
      for (const tileSize of [2, 5, 8, 14, 32]) {
        let tiles = 0;
        const options = { ...looking(tileSize), onTile: (_: number, total: number) => (tiles = total) };
        const { degradation, mixture } = await look(photo, models, options);
        await recorded.expectClose('degradation', degradation.data);
        await recorded.expectClose('weights', mixture.data);
        const side = tileSize - (tileSize % 2);
        expect(tiles).toBe(Math.ceil(photo.width / side) * Math.ceil(photo.height / side));
      }
    }
  });
});

const looking = (tileSize: number) => ({ tileSize, onTile: () => {}, signal: new AbortController().signal });

describe('in fp16', () => {
  test('that is only stored it is close: weights have 11 significant bits', async () => {
    const models = await openModels(FOLDER, { flavor: { storage: 'float16', compute: 'float32' } });
    const network = await openCase('network_16x16', FOLDER);
    const { outputs } = await computeNetwork(network, models);
    await expectNear('network_16x16', 'output', outputs.output!.data, 2e-3);
    const predicted = await computePredictor(await openCase('predictor_40x33', FOLDER), models);
    await expectNear('predictor_40x33', 'weights', predicted.outputs.weights!.data, 2e-3);
    await models.release();
  });

  test('the generator computes in it, and mixes in fp32; the predictor never computes in it', async () => {
    const models = await openModels(FOLDER, { flavor: { storage: 'float16', compute: 'float16' } });
    const stored = await openModels(FOLDER, { flavor: { storage: 'float16', compute: 'float32' } });
    const { outputs } = await computeNetwork(await openCase('network_16x16', FOLDER), models);
    await expectNear('network_16x16', 'output', outputs.output!.data, 1e-2);
    const mixture = await openCase('mixture', FOLDER);
    const [half, exact] = [await computeMixture(mixture, models), await computeMixture(mixture, stored)];
    // One rounding of each sum, to 11 bits.
    expect(largestRelative(half.outputs.weight!.data, exact.outputs.weight!.data)).toBeLessThan(2 ** -11 * 1.01);
    const predictor = await openCase('predictor_40x33', FOLDER);
    expect((await computePredictor(predictor, models)).outputs).toEqual(
      (await computePredictor(predictor, stored)).outputs,
    );
    await models.release();
    await stored.release();
  });
});

/** By the largest value; not to the tolerance, else nothing was rounded. */
async function expectNear(id: string, output: string, actual: ArrayLike<number>, share: number): Promise<void> {
  const { passes, largestDifference } = await (await openCase(id, FOLDER)).compare(output, actual);
  const largest = Array.from(actual).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(passes).toBe(false);
  expect(largestDifference / largest).toBeLessThan(share);
}

function largestRelative(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  return Array.from(actual).reduce((most, value, index) => {
    return Math.max(most, Math.abs(value - expected[index]!) / Math.abs(expected[index]!));
  }, 0);
}
