import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../local/config.ts';
import { DRAIN_SECONDS } from '../../shared/limits.ts';
import { needProgram } from '../support/need-program.ts';
import { startServiceProcess } from '../support/service-process.ts';

/** The unit, read by systemd itself; its sandbox needs a machine that systemd has started. */

const UNIT = new URL('../../box/seesr-cloud.service', import.meta.url);
/** Highest score by `systemd-analyze security`, in tenths of 10: the unit has 1.5, one without any of its lines 9.2. */
const MAX_EXPOSURE = 20;

let directory: string;
let text: string;
let settings: [string, string][];
beforeAll(async () => {
  await needProgram('systemd-analyze', 'systemd');
  directory = await mkdtemp(join(tmpdir(), 'seesr-systemd-'));
  text = await readFile(UNIT, 'utf8');
  settings = text.split('\n').flatMap((line) => {
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, value!]];
  });
  await mkdir(join(directory, 'node_modules/.bin'), { recursive: true });
  await symlink(process.execPath, join(directory, 'node_modules/.bin/node'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const all = (name: string) => settings.filter(([each]) => each === name).map(([, value]) => value);
const environment = (): Record<string, string> =>
  Object.fromEntries(all('Environment').flatMap((line) => line.split(' ').map((pair) => pair.split('='))));

/** As it would be where the program is in `directory`. */
async function analyze(verb: string, unit = text, ...flags: string[]) {
  const path = join(directory, 'seesr-cloud.service');
  await writeFile(path, unit.replaceAll('/opt/seesr-cloud', directory));
  const run = promisify(execFile)('systemd-analyze', [verb, ...flags, '--no-pager', path]);
  return run.catch((error: { stdout: string; stderr: string; code: number }) => error);
}

describe('the unit', () => {
  it('has nothing that systemd does not know', async () => {
    expect(await analyze('verify')).toEqual({ stdout: '', stderr: '' });
    for (const [right, wrong] of [
      ['ProtectSystem=strict', 'ProtectSystem=very'],
      ['MemoryMax=', 'MemoryMaximum='],
      ['/node_modules/.bin/node', '/node_modules/.bin/nodejs'],
    ] as const) {
      expect((await analyze('verify', text.replace(right, wrong))).stderr).toMatch(/seesr-cloud\.service/);
    }
  });

  it('exposes little', async () => {
    const flags = ['--offline=yes', `--threshold=${MAX_EXPOSURE}`];
    expect(await analyze('security', text, ...flags)).not.toHaveProperty('code');
    const open = text.replace(/^(Protect|Private|Restrict|SystemCall).*\n/gm, '');
    expect(await analyze('security', open, ...flags)).toHaveProperty('code', 1);
  });

  it('starts it again for ever, stops it as it wants to be stopped, and loses no more than the inference process', () => {
    const told = Object.fromEntries(settings);
    expect(told).toMatchObject({
      Restart: 'always',
      StartLimitIntervalSec: '0',
      KillMode: 'mixed',
      OOMPolicy: 'continue',
    });
    expect(Number(told.TimeoutStopSec)).toBeGreaterThan(DRAIN_SECONDS + 10);
    // V8 compiles while it runs.
    expect(told).not.toHaveProperty('MemoryDenyWriteExecute');
  });

  it('writes nowhere but where it may', () => {
    const { DATA_DIR } = environment();
    expect(all('StateDirectory').map((name) => `/var/lib/${name}`)).toEqual([DATA_DIR]);
    expect(all('RequiresMountsFor')).toEqual([DATA_DIR]);
  });

  it('starts a service that has all it needs in its environment', async () => {
    const warnings: string[] = [];
    readConfig(environment(), (sentence) => warnings.push(sentence));
    expect(warnings).toEqual([]);
    const [program, ...args] = all('ExecStart')[0]!.split(' ');
    expect(program).toBe('/opt/seesr-cloud/node_modules/.bin/node');
    const { NODE_ENV, HOST } = environment();
    const service = await startServiceProcess(join(directory, 'data'), { NODE_ENV: NODE_ENV!, HOST: HOST! }, { args });
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    await service.kill('SIGTERM');
    expect(service.process.exitCode).toBe(0);
  });
});

it('the sample of settings has only lines that both systemd and Docker Compose read alike', async () => {
  const sample = await readFile(new URL('../../box/service.env', import.meta.url), 'utf8');
  const lines = sample.split('\n').filter((line) => /^#?[A-Z_]+=/.test(line));
  expect(lines.length).toBeGreaterThan(3);
  const given = Object.fromEntries(lines.map((line) => line.replace(/^#/, '').split('=') as [string, string]));
  const warnings: string[] = [];
  readConfig(given, (sentence) => warnings.push(sentence));
  expect(warnings).toEqual([]);
  for (const name of Object.keys(environment()).filter((name) => name !== 'NODE_ENV'))
    expect(given).not.toHaveProperty(name);
});
