import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DRAIN_SECONDS } from '../../shared/limits.ts';
import { install, run } from '../support/aws-servers.ts';
import { assembleContainer, type Container } from '../support/container-root.ts';

/** The compose file as Docker Compose reads it, by its own library. */

const COMPOSE_GO = '2.16.2'; // Apache-2.0
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

let directory: string;
let reader: string;
let image: Container;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-compose-'));
  const source = `github.com/compose-spec/compose-go/v2/cmd@v${COMPOSE_GO}`;
  const folder = await install(`compose-go-${COMPOSE_GO}`, (bin) => run('go', ['install', source], { GOBIN: bin }));
  reader = join(folder, 'cmd');
  for (const name of ['compose.yaml', 'Dockerfile']) await cp(join(ROOT, name), join(directory, name));
  image = await assembleContainer(join(directory, 'app'), 'service');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Refused where it is none that the specification allows. */
async function load(...flags: string[]) {
  const args = ['-format', 'json', ...flags, 'compose.yaml'];
  const { stdout } = await promisify(execFile)(reader, args, { cwd: directory });
  const { name, services, volumes } = JSON.parse(stdout);
  return { name, service: services['seesr-cloud'], volumes };
}

it('keeps durable data in a volume of one name, and is reached by this machine alone', async () => {
  const { name, service, volumes } = await load();
  expect(name).toBe('seesr-cloud');
  expect(volumes).toEqual({ data: { name: 'seesr-cloud_data' } });
  const mounts = service.volumes.map(({ source, target, read_only }: never) => ({ source, target, read_only }));
  expect(mounts).toEqual([
    { source: 'data', target: image.environment.DATA_DIR },
    { source: join(directory, 'models'), target: image.environment.MODELS_DIR, read_only: true },
  ]);
  expect(service.ports).toMatchObject([{ host_ip: '127.0.0.1', published: '8787', target: 8787 }]);
  expect(String(service.ports[0].target)).toBe(image.environment.PORT);
});

it('asks the image’s question, waits for its stop, and builds its stage', async () => {
  const { service } = await load();
  expect(service.healthcheck.test).toEqual(['CMD', ...image.healthCheck]);
  expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(DRAIN_SECONDS + 10);
  expect(service.build).toMatchObject({
    target: 'service',
    dockerfile: 'Dockerfile',
    args: { DEVICE: 'cpu', HEIC: 'off' },
  });
});

it('gives it nothing that it does not need', async () => {
  const { service } = await load();
  expect(service).toMatchObject({
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    restart: 'unless-stopped',
    mem_limit: '6g',
    memswap_limit: '6g',
    logging: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '5' } },
  });
  expect(service.env_file).toEqual([{ path: join(directory, 'service.env'), required: false }]);
});

it('takes the settings in which boxes differ from the shell or from .env', async () => {
  const text = JSON.stringify((await load('-no-interpolation')).service);
  for (const [key, name] of Object.entries({
    mem_limit: 'MEMORY',
    memswap_limit: 'MEMORY',
    HEIC: 'HEIC',
    source: 'MODELS_DIR',
  }))
    expect(text).toMatch(new RegExp(`"${key}":"[^"]*\\$\\{${name}:-`));
});

it('is refused where somebody has misspelled something', async () => {
  await writeFile(join(directory, 'compose.yaml'), 'services: {seesr-cloud: {image: a, memory_limit: 6g}}\n');
  await expect(load()).rejects.toThrow('memory_limit');
});
