import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { GROUPS } from '../../../cli/commands.ts';
import { BENCHES } from '../../bench/benches.ts';

const SEESR = fileURLToPath(new URL('../../../cli/seesr.mjs', import.meta.url));
const COMMANDS = Object.values(GROUPS).flatMap((group) => Object.keys(group));

function seesr(...given: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SEESR, ...given], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test('its help lists every command', async () => {
  for (const given of [[], ['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await seesr(...given);
    expect([code, stderr]).toEqual([0, '']);
    for (const command of COMMANDS) expect(stdout).toContain(`\n  ${command} `);
  }
});

test('its version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  expect(await seesr('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test.each(COMMANDS)('seesr %s --help', async (command) => {
  const { code, stdout, stderr } = await seesr(command, '--help');
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout.startsWith(`seesr ${command}`)).toBe(true);
  expect(stdout).toContain('\n  --help ');
});

test.each(Object.keys(BENCHES))('seesr bench %s --help', async (bench) => {
  const { claim, load } = BENCHES[bench]!;
  const [{ options = {} }, { code, stdout, stderr }] = [await load(), await seesr('bench', bench, '--help')];
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout.startsWith(`seesr bench ${bench}\n\n${claim}\n`)).toBe(true);
  for (const option of [...Object.keys(options), 'long', 'help']) expect(stdout).toMatch(`\n  --${option} `);
});

test.each([
  [['keyz'], 'seesr: "keyz" is not a command; was "keys" meant?\n'],
  [['toString'], 'seesr: "toString" is not a command; "seesr --help" lists them\n'],
  [
    ['keys', '--scope', 'x'],
    'seesr keys: there is no option --scope, was --scopes meant?; "seesr keys --help" tells more\n',
  ],
  [['bench', 'legder'], 'seesr bench: "legder" is no bench, was "ledger" meant?; "seesr bench --help" lists them\n'],
  [['bench', '--seed', '1'], /^seesr bench: there is no option --seed; /],
  [['bench', 'ledger', '1'], /^seesr bench ledger: "1" has no meaning here; /],
  [['bench', '--long', 'ledger', '--sead', '1'], /^seesr bench ledger: there is no option --sead, was --seed meant\?/],
  [
    ['bench', 'chaos', '--jobs', 'many'],
    /^seesr bench chaos: --jobs many: it is a whole number from 0 to 1000000000\.\n$/,
  ],
  [
    ['bench', 'hostile', '--part', 'x'],
    /^seesr bench hostile: --part x: it is one of mutated, published, weights\.\n$/,
  ],
  [['backup'], 'seesr backup: name one folder\n'],
  [['restore', 'a.png', 'b.png', '--denoise', '9'], /^seesr restore: --denoise 9: .*\n$/],
])('%j ends with 2 and a line', async (given, line) => {
  const { code, stdout, stderr } = await seesr(...given);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(line);
});

test('a command that fails ends with 1', async () => {
  const { code, stderr } = await seesr('build-client', '/dev/null/client');
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^seesr build-client: .*\n$/)]);
});
