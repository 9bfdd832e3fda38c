import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyProgram } from '../../support/program-copy.ts';

/** Which device `auto` takes, by the real command line; and that a device which is named is never replaced. */

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);
/** No loader of Vulkan finds a driver, whatever this machine has. */
const NO_DRIVER = { VK_ICD_FILENAMES: '/nowhere.json', VK_DRIVER_FILES: '/nowhere.json' };

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-auto-'));
  const create = { width: 16, height: 12, channels: 3 as const, background: '#3060a0' };
  await sharp({ create }).png().toFile(join(directory, 'in.png'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function restoreOn(device: string | undefined, { program = ROOT } = {}) {
  const given = ['in.png', 'out.png', '--model', 'real-esrgan-fast', '--json', ...(device ? ['--device', device] : [])];
  const result = await run(process.execPath, [join(program, 'gpu-worker/cli.ts'), ...given], {
    cwd: directory,
    env: { ...process.env, LOG_LEVEL: 'info', ...NO_DRIVER },
  }).catch((failure: unknown) => failure);
  const ended = { code: 0, ...(result as { code?: number; stdout: string; stderr: string }) };
  const lines = ended.stderr.split('\n');
  const events = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  return { ...ended, chosen: events.filter(({ event }) => event === 'device.chosen') };
}

describe.runIf(process.platform === 'linux')('a machine without a GPU', () => {
  test('computes on the CPU, and says in one line why on nothing else', async () => {
    const { chosen, stdout } = await restoreOn(undefined);
    expect(chosen).toMatchObject([{ level: 'info', devices: ['cpu'] }]);
    expect(chosen[0].why).toMatch(/^auto; not cuda: [^\n]+; not webgpu: [^\n]+$/);
    expect(JSON.parse(stdout)).toMatchObject({ device: 'cpu', width: 64, height: 48 });
  });

  test('says so too where the library of CUDA is there and cannot be loaded', async () => {
    const program = join(directory, 'program');
    await mkdir(program);
    await writeFile(join(await copyProgram(program), 'libonnxruntime_providers_cuda.so'), 'of another machine');
    const { chosen } = await restoreOn('auto', { program });
    expect(chosen).toMatchObject([{ devices: ['cpu'], why: expect.stringContaining('not cuda: ') }]);
    const named = await restoreOn('cuda', { program });
    expect(named).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('cuda:0 cannot be used: ') });
  });

  test.each(['cuda', 'cuda:1', 'webgpu', 'webgpu:0'])('refuses %s, which is asked for by name', async (device) => {
    const { code, stdout, stderr, chosen } = await restoreOn(device);
    expect({ code, stdout, chosen }).toEqual({ code: 1, stdout: '', chosen: [] });
    expect(stderr).toMatch(/^seesr restore: (cuda:[01]|webgpu) cannot be used: device (cuda|webgpu) needs /m);
  });
});

test('the processor is taken as it is where it is asked for', async () => {
  const { chosen, stdout } = await restoreOn('cpu');
  expect(chosen).toMatchObject([{ devices: ['cpu'], why: 'asked for' }]);
  expect(JSON.parse(stdout)).toMatchObject({ device: 'cpu' });
});
