import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dapeTrainingGraph } from '../../../training/dape/graph.ts';
import { torchFile } from '../../../training/write-torch.ts';
import { createRandom } from '../../support/random.ts';
import { randomTensor } from '../../support/random-seesr.ts';
import { openTrainingRuns } from '../../support/training-run.ts';

const STEPS = 200;
const KILLS = 10;
const MINUTE = 60_000;

/** A RAM so small that a step is done in a moment. */
const RAM = {
  image_size: 64,
  patch_size: 4,
  window_size: 2,
  embed_dim: 8,
  depths: [2, 2, 2, 2],
  num_heads: [1, 1, 2, 4],
  image_embed_dim: 16,
  tag_head: { hidden_size: 16, heads: 2, intermediate_size: 32, layers: 2 },
  lora_rank: 2,
  lora_alpha: 1,
};
const TAGS = 8;

let runs: Awaited<ReturnType<typeof openTrainingRuns>>;
beforeAll(async () => {
  runs = await openTrainingRuns();
  const { weights } = dapeTrainingGraph({ ...RAM, tagCount: TAGS }, { lambda: 1, layers: [] });
  const tensors = [...weights].map(([name, shape]) => [name, { data: randomTensor(name, shape), shape }] as const);
  await writeFile(join(runs.folder, 'ram.pth'), torchFile('ram', new Map(tensors)));
  const names = Array.from({ length: TAGS }, (_, tag) => `tag ${tag}`);
  const config = { ...RAM, tags: names, thresholds: names.map(() => 0.5) };
  await writeFile(join(runs.folder, 'ram.json'), JSON.stringify(config));
});
afterAll(() => runs[Symbol.asyncDispose]());

async function train(name: string, options: Record<string, boolean>, until?: number, afterwards?: number) {
  const path = (file: string) => join(runs.folder, file);
  const files = { ram: path('ram.pth'), 'ram-config': path('ram.json'), out: path(`${name}.pth`) };
  const settings = { steps: STEPS, batch: 1, rate: 0.01, crop: 64, 'save-every': 3 };
  return await runs.train('dape', name, { ...files, ...settings, ...options }, until, afterwards);
}

test(`a run of ${STEPS} steps that is killed ${KILLS} times at drawn moments ends with the bytes of one that was not`, {
  timeout: 10 * MINUTE,
}, async () => {
  const seed = Date.now() % 1_000_000;
  const random = createRandom(seed);
  expect(await train('whole', {})).toMatchObject({ code: 0 });
  let step = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    // So many steps on, and a moment: in the midst of a step, of a save, or between them.
    step += 3 + Math.floor(random() * ((STEPS * 0.8) / KILLS - 3));
    const { code, told } = await train('killed', { resume: true }, step, random() * 100);
    expect(code, `seed ${seed}, kill ${kill}: ${told}`).toBe(null);
  }
  expect(await train('killed', { resume: true })).toMatchObject({ code: 0 });
  for (const file of ['.pth', '/metrics.jsonl', '/loss.svg', '/state.safetensors', '/config.json']) {
    const [killed, whole] = [await runs.read(`killed${file}`), await runs.read(`whole${file}`)];
    expect(killed.equals(whole), `seed ${seed}, ${file}`).toBe(true);
  }
});
