import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Variables that make the CLI of SST work without an account, its own tools or a word to its makers. */
const QUIET = {
  SST_SKIP_DEPENDENCY_CHECK: '1',
  SST_TELEMETRY_DISABLED: '1',
  SST_NO_BUN: '1',
  AWS_EC2_METADATA_DISABLED: 'true',
};
const INSTALLED = '.sst/platform/node_modules/@pulumi/aws/package.json';

/** Unpacks the programs of `sst deploy` into `.sst`, some 320 MB, once for each version of SST. Called by Vitest. */
export function setup(): void {
  const { version } = JSON.parse(readFileSync('node_modules/sst/package.json', 'utf8')) as { version: string };
  const mark = '.sst/platform/version';
  if (existsSync(INSTALLED) && existsSync(mark) && readFileSync(mark, 'utf8').trim() === version) return;
  execFileSync('node_modules/.bin/sst', ['install', '--stage', 'test'], {
    env: { ...process.env, ...QUIET },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
