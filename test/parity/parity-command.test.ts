import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RECORDED_SET } from '../support/recorded-case.ts';

const COMMUNITY_SET = fileURLToPath(new URL('../fixtures/community/', import.meta.url));
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

type Output = Record<string, unknown>;
interface Case {
  id: string;
  kind?: string;
  parameters: Record<string, unknown>;
  outputs: Record<string, Output>;
}

let root: string;
let cases: Case[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'seesr-parity-'));
  ({ cases } = JSON.parse(await readFile(join(RECORDED_SET, 'cases.json'), 'utf8')));
});
afterAll(() => rm(root, { recursive: true }));

/** A recorded set with other cases, as the command sees it. */
async function runOn(chosen: readonly Case[], set = RECORDED_SET, head: object = { format: 1 }) {
  const folder = await mkdtemp(join(root, 'set-'));
  for (const part of ['cases', 'checkpoints', 'samples']) await symlink(join(set, part), join(folder, part));
  await writeFile(join(folder, 'cases.json'), JSON.stringify({ ...head, cases: chosen }));
  const child = spawn(process.execPath, [MAIN, folder], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  const [code] = await once(child, 'close');
  return { code, lines: output.trimEnd().split('\n') };
}

/** A recorded case, with another id: only its record says what it is. */
function take(id: string, change: (taken: Case) => void = () => {}): Case {
  const taken = structuredClone(cases.find((candidate) => candidate.id === id)!);
  change(taken);
  return { ...taken, id: `some_${id.slice(0, 4)}` };
}

test('a set that agrees: a line for each output and sample, and exit code 0', async () => {
  const { code, lines } = await runOn([take('tokenizer'), take('prepare'), take('text'), take('vae_decode_8x8')]);
  expect(lines.at(-1)).toMatch(/^\d+ passed, 0 failed$/);
  expect(code).toBe(0);
  expect(lines).toContainEqual(expect.stringMatching(/^some_vae_ +image +\d\S+ +\d\S+ +within .+ passed$/));
  expect(lines).toContainEqual(expect.stringMatching(/^samples +pickle\/os_system\.pth .* passed$/));
});

test('a difference is told, with the first block that is wrong, and ends with 1', async () => {
  const wrong = take('unet_8x8_t1', ({ outputs }) => {
    // A bias of the tolerance that nothing can meet, in the order of the set: later blocks first.
    for (const name of ['eps', 'block_up1', 'block_down2']) Object.assign(outputs[name]!, { atol: 0, rtol: 1e-12 });
  });
  const { code, lines } = await runOn([wrong]);
  expect(code).toBe(1);
  expect(lines.at(-1)).toMatch(/^\d+ passed, 3 failed$/);
  expect(lines).toContainEqual(expect.stringMatching(/some_unet: the first wrong output is block_down2$/));
});

test('a record that nobody computes has failed: a case, an output, a fact that is another', async () => {
  const unknown: Case = { ...take('prepare'), outputs: { nothing: take('prepare').outputs.corner0! } };
  const more = take('text', ({ outputs }) => {
    outputs.pooled = outputs.hidden!;
  });
  const tags = take('dape_kodim23', ({ parameters }) => {
    parameters.tags = 'zebra';
  });
  const { code, lines } = await runOn([unknown, more, tags]);
  expect(code).toBe(1);
  expect(lines.at(-1)).toMatch(/^\d+ passed, 3 failed$/);
  for (const text of [
    /Nothing here computes a case of kind undefined \(outputs nothing\)/,
    /nothing here computes it/,
    /"zebra"/,
  ]) {
    expect(lines).toContainEqual(expect.stringMatching(text));
  }
});

describe('a set that says what it records', () => {
  const head = { format: 2, system: 'community' };
  let community: Map<string, Case>;
  beforeAll(async () => {
    const set: { cases: Case[] } = JSON.parse(await readFile(join(COMMUNITY_SET, 'cases.json'), 'utf8'));
    community = new Map(set.cases.map((recorded) => [recorded.id, recorded]));
  });
  const changed = (id: string, change: (parameters: Case['parameters']) => void): Case => {
    const taken = structuredClone(community.get(id)!);
    change(taken.parameters);
    return taken;
  };

  test('is computed as that: facts, refusals and numbers', async () => {
    const chosen = ['4x_span_recognize', '4x_plus_recognize', '4x_plus_network_7x10'].map((id) => community.get(id)!);
    const { code, lines } = await runOn(chosen, COMMUNITY_SET, head);
    expect(lines.at(-1)).toBe('21 passed, 0 failed');
    expect(code).toBe(0);
    expect(lines).toContainEqual(expect.stringMatching(/^4x_span_recognize +refusal .* passed$/));
    expect(lines).toContainEqual(expect.stringMatching(/^4x_plus_recognize +plus .* passed$/));
    expect(lines).toContainEqual(expect.stringMatching(/^4x_plus_network_7x10 +output +\d\S+ .* passed$/));
  });

  test('has failed where a file is not the recorded one, a fact is another, a refusal says another thing', async () => {
    const chosen = [
      changed('4x_span_recognize', (parameters) => Object.assign(parameters, { mentions: ['SPANPlus'] })),
      changed('4x_spsr_recognize', (parameters) => Object.assign(parameters, { accepted: true })),
      changed('1x_compact_recognize', (parameters) => Object.assign(parameters, { accepted: false, mentions: ['x'] })),
      changed('4x_plus_recognize', (parameters) => Object.assign(parameters, { plus: false, dreams: 3 })),
      { ...community.get('1x_compact_network_8x13')!, kind: 'picture' },
      { ...community.get('2x_alpha_recognize')!, parameters: { file: '2x-Alpha.pth', accepted: true } },
    ];
    const { code, lines } = await runOn(chosen, COMMUNITY_SET, head);
    expect(code).toBe(1);
    expect(lines.at(-1)).toBe('10 passed, 7 failed');
    for (const text of [
      /its architecture is SPAN\./,
      /its architecture is SPSR\./,
      /accepted: .*compact/,
      /^ +true instead of false$/,
      /^ +undefined instead of 3$/,
      /Nothing here computes a case of kind picture/,
      /Nothing was compared/,
    ]) {
      expect(lines).toContainEqual(expect.stringMatching(text));
    }
  });

  test('of another system is refused', async () => {
    const { code, lines } = await runOn([], COMMUNITY_SET, { format: 2, system: 'dreams' });
    expect(code).toBe(1);
    expect(lines.join(' ')).toMatch(/Nothing here computes dreams; systems are .*community, .*rrdb, .*seesr, .*\./);
  });
});

test('a folder that is no set is refused', async () => {
  const child = spawn(process.execPath, [MAIN, root], { stdio: 'ignore' });
  expect(await once(child, 'close')).toEqual([1, null]);
});
