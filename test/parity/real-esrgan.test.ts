import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { REAL_ESRGAN_X4PLUS, type RrdbnetConfig, rrdbnet, rrdbnetStages } from '../../gpu-worker/graphs/rrdbnet.ts';
import { REAL_ESRGAN_GENERAL_X4V3, srvgg, srvggByWinograd } from '../../gpu-worker/graphs/srvgg.ts';
import { loadSuperResolver } from '../../gpu-worker/methods/real-esrgan/engine.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { openSafetensors } from '../../gpu-worker/weights/safetensors.ts';
import { openCase } from '../support/recorded-case.ts';
import { runNetwork } from '../support/run-network.ts';

/** Beside the recorded set, which test/parity/sets.test.ts computes: the graphs by Winograd. */

const SET = fileURLToPath(new URL('../fixtures/real-esrgan/', import.meta.url));
const X4PLUS = fileURLToPath(
  new URL('../../gpu-worker/shipped/real-esrgan/realesrgan-x4plus.safetensors', import.meta.url),
);
const GENERAL = fileURLToPath(
  new URL('../../gpu-worker/shipped/real-esrgan-fast/realesr-general-x4v3.safetensors', import.meta.url),
);
/** As that of the set. */
const TOLERANCE = 2e-4;

it('notices a constant of the architecture that is slightly wrong', async () => {
  const recorded = await openCase('x4plus', SET);
  const config = { ...REAL_ESRGAN_X4PLUS, residualScale: 0.201 };
  const { data } = await runX4plus(config, await recorded.tensor('input'));
  expect((await recorded.compare('output', data)).worst).toBeGreaterThan(10);
});

it('the large network by Winograd, stage by stage, agrees with PyTorch', async () => {
  const recorded = await openCase('x4plus', SET);
  await using checkpoint = await openSafetensors(X4PLUS);
  const values = new Map([['input', await recorded.tensor('input')]]);
  for (const { graph: plain, byWinograd, gives } of rrdbnetStages(REAL_ESRGAN_X4PLUS)) {
    const graph = byWinograd ?? plain;
    const session = await createSession(await compileModel(graph, checkpoint.read), 'cpu');
    const inputs = graph.proto.input.map(({ name }) => [name, values.get(name)!] as const);
    const { output } = await session.run(Object.fromEntries(inputs));
    await session.release();
    values.set(gives, output!);
  }
  await recorded.expectClose('output', values.get('output')!.data);
});

it('the compact network by Winograd agrees with PyTorch', async () => {
  const recorded = await openCase('general', SET);
  await using checkpoint = await openSafetensors(GENERAL);
  const model = await compileModel(srvggByWinograd(REAL_ESRGAN_GENERAL_X4V3), checkpoint.read);
  const session = await createSession(model, 'cpu');
  const { output } = await session.run({ input: await recorded.tensor('input') });
  await session.release();
  await recorded.expectClose('output', output!.data);
});

/** On x64 the first width goes through the graph by Winograd, the second through the plain one. */
it('real-esrgan-fast gives the same at any width', async () => {
  const [height, widths] = [132, [128, 126]];
  const pixels = numbers(3 * height * 128, 0.5);
  const resolver = await loadSuperResolver({ model: 'real-esrgan-fast', device: 'cpu' });
  const lefts: Float32Array[] = [];
  for (const width of widths) {
    const data = pixels.filter((_, index) => index % 128 < width);
    const { data: output, shape } = await runNetwork(resolver, { data, shape: [1, 3, height, width] });
    expect(shape).toEqual([1, 3, 4 * height, 4 * width]);
    // A border changes no more than the 34 columns beside it.
    lefts.push(output.filter((_, index) => index % (4 * width) < 4 * 90));
  }
  await resolver.release();
  expect(largestDifference(lefts[0]!, lefts[1]!)).toBeLessThan(TOLERANCE);
});

it.each([
  [1, 4, {}],
  [5, 12, {}],
  [9, 64, {}],
  [7, 8, { inputChannels: 1, outputChannels: 3, scale: 3 }],
  [6, 16, { inputChannels: 4, outputChannels: 4, scale: 1 }],
])('by Winograd the compact network is the same at %i × %i, borders included: %o', async (height, width, other) => {
  const config = { ...REAL_ESRGAN_GENERAL_X4V3, features: 32, convolutions: 2, ...other };
  const shape = [1, config.inputChannels, height, width];
  const input = { data: numbers(config.inputChannels * height * width, 0.5), shape };
  const outputs = await Promise.all(
    [srvgg(config), srvggByWinograd(config)].map(async (graph) => {
      // Slopes of the published networks lie between −1.7 and 1.9.
      const read = async (name: string) => {
        const slopes = /body\.(1|3|5)\.weight/.test(name);
        return numbers(
          graph.weights.get(name)!.reduce((product, size) => product * size, 1),
          slopes ? 1.9 : 0.1,
        );
      };
      const session = await createSession(await compileModel(graph, read), 'cpu');
      const { output } = await session.run({ input });
      await session.release();
      return output!;
    }),
  );
  expect(outputs[1]!.shape).toEqual(outputs[0]!.shape);
  expect(largestDifference(outputs[1]!.data, outputs[0]!.data)).toBeLessThan(2e-5);
});

/** Never twice the same, within ± `most`. */
function numbers(length: number, most: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, index) => most * Math.sin(index ** 2 + 1));
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

async function runX4plus(config: RrdbnetConfig, input: Tensor): Promise<Tensor> {
  await using checkpoint = await openSafetensors(X4PLUS);
  const session = await createSession(await compileModel(rrdbnet(config), checkpoint.read), 'cpu');
  const { output } = await session.run({ input });
  await session.release();
  return output!;
}
