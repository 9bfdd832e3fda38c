import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { greet } from '../../../local/greeting.ts';
import { openDatabase } from '../../../shared/adapters/local/database.ts';
import type { Problem } from '../../../shared/error.ts';
import { createTestClient } from '../../support/client.ts';
import { type ServiceProcess, startServiceProcess } from '../../support/service-process.ts';

const run = promisify(execFile);
const ROOT = new URL('../../../', import.meta.url).pathname;

/** The steps of a person at a terminal, with the real programs in processes of their own. */

let directory: string;
const running: ServiceProcess[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-local-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.kill('SIGKILL')));
  await rm(directory, { recursive: true, force: true });
});

async function start(environment: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await startServiceProcess(directory, environment);
  running.push(service);
  return service;
}

function program(path: string, ...given: string[]) {
  return run(process.execPath, [join(ROOT, path), ...given], { env: { ...process.env, DATA_DIR: directory } });
}

const photo = async () =>
  new Uint8Array(
    await sharp({ create: { width: 24, height: 16, channels: 3, background: '#3060a0' } })
      .png()
      .toBuffer(),
  );

describe('npm start', () => {
  test('puts the first key into a file for its user, once, and says nothing of it where nobody sees it', async () => {
    await writeFile(join(directory, 'first-key'), 'of an earlier database', { mode: 0o644 });
    const first = await start();
    const path = join(directory, 'first-key');
    expect(first.firstKey).toMatch(/^sr_live_\w+$/);
    expect(await readFile(path, 'utf8')).toBe(`${first.firstKey}\n`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(first.output()).toContain(`first API key is in ${path} (`);
    expect(first.output() + JSON.stringify(first.log)).not.toContain('sr_');
    await first.kill('SIGTERM');
    await rm(path);
    const second = await start();
    expect(second.output()).not.toContain('first');
    expect(await readdir(directory)).not.toContain('first-key');
  });

  test('prints it at a terminal', () => {
    const service = { url: 'http://127.0.0.1:1', firstKey: 'sr_live_x' };
    const words = greet(service, { dataDirectory: directory, isTerminal: true });
    expect(words).toContain('\n  sr_live_x\n');
    expect(words).toContain('Open http://127.0.0.1:1/#key=sr_live_x');
    const known = greet({ ...service, firstKey: undefined }, { dataDirectory: directory, isTerminal: true });
    expect(known).not.toContain('key=');
    const nowhere = { dataDirectory: join(directory, 'missing'), isTerminal: false };
    expect(() => greet(service, nowhere)).toThrow(/first-key.*npm run keys -- create/);
  });

  test('keeps keys, jobs and results over a restart', async () => {
    const first = await start();
    const key = first.firstKey!;
    const client = createTestClient(first.url, key);
    const job = await client.submit({
      input: { upload_id: await client.upload(await photo()) },
      model: 'real-esrgan-fast',
    });
    expect((await client.end(job.id)).status).toBe('succeeded');
    const result = await client.output(job.id);
    await first.kill('SIGTERM');
    expect(first.process.exitCode).toBe(0);

    const second = await start();
    expect(second.firstKey).toBeUndefined();
    expect(await createTestClient(second.url, key).output(job.id)).toEqual(result);
  });

  test('on SIGTERM it gives the running job back, and the next start finishes it', async () => {
    const first = await start();
    const key = first.firstKey!;
    const client = createTestClient(first.url, key);
    const large = await sharp({ create: { width: 900, height: 200, channels: 3, background: '#3060a0' } })
      .png()
      .toBuffer();
    const job = await client.submit({
      input: { upload_id: await client.upload(new Uint8Array(large)) },
      model: 'real-esrgan-fast',
    });
    await expect.poll(async () => (await client.job(job.id)).status).toBe('running');
    await first.kill('SIGTERM');
    expect(first.process.exitCode).toBe(0);
    const second = createTestClient((await start()).url, key);
    expect(await second.end(job.id)).toMatchObject({ status: 'succeeded', attempt: 2 });
  });

  test('goes on where nobody reads its log any more, and counts the lines that nobody got', async () => {
    const service = await start();
    service.process.stderr!.destroy();
    const client = createTestClient(service.url, service.firstKey!);
    const input = { upload_id: await client.upload(await photo()) };
    const job = await client.submit({ input, model: 'real-esrgan-fast' });
    expect((await client.end(job.id)).status).toBe('succeeded');
    const { stdout } = await program('local/keys.ts', 'create', '--scopes', 'metrics:read', '--json');
    const metrics = await fetch(`${service.url}/metrics`, { headers: { 'x-api-key': JSON.parse(stdout).key } });
    expect(await metrics.text()).toMatch(/^seesr_log_lines_lost_total [1-9]/m);
  });

  test('ends with npm, which passes no SIGTERM on', async () => {
    const environment = { HOST: '127.0.0.1', PORT: '0', DATA_DIR: directory };
    const npm = spawn('npm', ['start'], { cwd: ROOT, env: { ...process.env, ...environment } });
    let output = '';
    npm.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    const url = () => /is at (http:\S+)/.exec(output)?.[1];
    await expect.poll(url).toBeDefined();
    expect((await fetch(`${url()}/healthz`)).status).toBe(200);
    npm.kill('SIGTERM');
    const answers = () => fetch(`${url()}/healthz`).then(Boolean, () => false);
    await expect.poll(answers).toBe(false);
    await (await start()).kill('SIGTERM'); // the data directory is free
  });

  test('a job may be submitted before its file: it starts when the file has arrived', async () => {
    const service = await start();
    const client = createTestClient(service.url, service.firstKey!);
    const file = await photo();
    const upload = await client.json<{ id: string; url: string; headers: Record<string, string> }>('/v1/uploads', {
      method: 'POST',
      body: JSON.stringify({ bytes: file.byteLength, content_type: 'image/png' }),
    });
    const job = await client.submit({ input: { upload_id: upload.id }, model: 'real-esrgan-fast' });
    expect(job.status).toBe('awaiting_upload');
    const send = (body: Uint8Array<ArrayBuffer>, type = 'image/png') =>
      fetch(upload.url, { method: 'PUT', headers: { ...upload.headers, 'Content-Type': type }, body });
    expect((await send(file, 'image/jpeg')).status).toBe(403);
    expect((await send(file.slice(1))).status).toBe(403);
    expect((await send(file)).status).toBe(200);
    const again = await send(file);
    expect(again.status).toBe(412);
    expect(((await again.json()) as Problem).code).toBe('already-exists');
    expect((await client.end(job.id)).status).toBe('succeeded');
  });

  test('a signed link cannot be altered, and a download cannot be made an upload', async () => {
    const service = await start();
    const client = createTestClient(service.url, service.firstKey!);
    const job = await client.submit({
      input: { upload_id: await client.upload(await photo()) },
      model: 'real-esrgan-fast',
    });
    await client.end(job.id);
    const { url } = await client.json<{ url: string }>(`/v1/jobs/${job.id}/output?redirect=false`);
    const good = await fetch(url);
    expect(good.status).toBe(200);
    expect(good.headers.get('content-disposition')).toContain('attachment');
    const output = `${service.url}/v1/jobs/${job.id}/output`;
    const head = await fetch(output, { method: 'HEAD', headers: { Authorization: `Bearer ${service.firstKey}` } });
    expect(head.headers.get('content-length')).toBe(good.headers.get('content-length'));
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(403);
    expect((await fetch(url.replace('/out/', '/in/'))).status).toBe(403);
    expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(403);
  });

  test('a client that leaves in the middle of its upload is no error, and can send it again', async () => {
    const service = await start();
    const client = createTestClient(service.url, service.firstKey!);
    const file = await photo();
    const json = { bytes: file.byteLength, content_type: 'image/png' };
    const upload = await client.json<{ url: string; headers: Record<string, string> }>('/v1/uploads', {
      method: 'POST',
      body: JSON.stringify(json),
    });
    const { port, pathname, search } = new URL(upload.url);
    const socket = connect(Number(port), '127.0.0.1');
    const all = { Host: 'x', ...upload.headers, 'Content-Length': file.byteLength };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`PUT ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`);
    socket.write(file.subarray(0, 20));
    const unfinished = () => readdir(join(directory, 'objects', '.unfinished')).catch(() => []);
    await expect.poll(unfinished).toHaveLength(1);
    socket.destroy();
    await expect.poll(() => service.log.map(({ event }) => event)).toContain('client-left');
    expect(service.log.filter(({ level }) => level === 'error')).toEqual([]);
    const sent = await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: file });
    expect(sent.status).toBe(200);
    await expect.poll(unfinished).toEqual([]); // the part that had come was kept for a resumed upload
  });

  test('a second process is refused the data directory', async () => {
    await start();
    await expect(start()).rejects.toThrow(/Another process owns the data directory/);
  });

  test.each([
    ['is a file', (path: string) => writeFile(path, 'x')],
    [
      'has a file in place of a folder',
      (path: string) => mkdir(path).then(() => writeFile(join(path, 'objects'), 'x')),
    ],
    [
      'has no database',
      (path: string) => mkdir(path).then(() => writeFile(join(path, 'state.sqlite'), 'x'.repeat(99))),
    ],
  ])('a data directory that %s is refused by name, without a stack', async (_what, make) => {
    const path = join(directory, 'unusable');
    await make(path);
    await expect(start({ DATA_DIR: path })).rejects.toThrow(
      /The data directory \S+unusable cannot be used: (?!.* at )/,
    );
    await expect(start({ DATA_DIR: path })).rejects.not.toThrow(/node:/);
  });

  test('a damaged secret is refused: links signed with it could be forged', async () => {
    await writeFile(join(directory, 'secret'), '');
    await expect(start()).rejects.toThrow(/secret is damaged: it must have 43 characters and has 0/);
  });

  test('a port that is taken, or an address of another machine, is refused by name', async () => {
    const { url } = await start();
    const environment = { DATA_DIR: join(directory, 'other') };
    const { port } = new URL(url);
    await expect(start({ ...environment, PORT: port })).rejects.toThrow(`Port ${port} of 127.0.0.1 is taken`);
    await expect(start({ ...environment, HOST: '192.0.2.1' })).rejects.toThrow(/cannot listen at HOST=192\.0\.2\.1/);
  });

  test('a wrong configuration is refused by name', async () => {
    const wrong = { PORT: 'web', MAX_INPUT_PIXELS: '0', RATE_LIMITS: 'on' };
    await expect(start(wrong)).rejects.toThrow(/MAX_INPUT_PIXELS=0.*RATE_LIMITS=on.*PORT=web/s);
  });

  test('RATE_LIMITS hold for each key', async () => {
    const limits = { burst: { quota: 2, window_seconds: 1000 }, inflight: { quota: 1 } };
    const service = await start({ RATE_LIMITS: JSON.stringify(limits) });
    const post = (path: string, body: object) =>
      fetch(new URL(path, service.url), {
        method: 'POST',
        headers: { 'x-api-key': service.firstKey!, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const upload = await post('/v1/uploads', { bytes: 10, content_type: 'image/png' });
    expect(upload.headers.get('ratelimit')).toMatch(/^"burst";r=1;t=\d+$/);
    const { id } = (await upload.json()) as { id: string };
    const job = { input: { upload_id: id } };
    expect((await post('/v1/jobs', job)).status).toBe(202);
    const refused = await post('/v1/jobs', job);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(300);
    const { stdout } = await program('local/keys.ts', 'create', '--json');
    const other = { headers: { 'x-api-key': JSON.parse(stdout).key } };
    expect((await fetch(`${service.url}/v1/jobs`, other)).status).toBe(200);
  });

  test('DEVICE=cuda without its libraries is refused at start: no silent fallback', async () => {
    await expect(start({ DEVICE: 'cuda' })).rejects.toThrow(/cuda/);
  });
});

describe('npm run keys', () => {
  test('creates, lists and revokes beside the running service', async () => {
    const service = await start();
    const created = JSON.parse(
      (await program('local/keys.ts', 'create', '--name', 'phone', '--scopes', 'jobs:read', '--json')).stdout,
    );
    expect(created).toMatchObject({ name: 'phone', scopes: ['jobs:read'] });
    const ask = () => fetch(`${service.url}/v1/jobs`, { headers: { 'x-api-key': created.key } });
    expect((await ask()).status).toBe(200);
    expect((await program('local/keys.ts', 'list')).stdout).toContain('phone');
    await program('local/keys.ts', 'revoke', created.id);
    expect((await ask()).status).toBe(401);
  });

  test('rotates a key, and creates some with caps and of test mode', async () => {
    const service = await start();
    const keys = async (...given: string[]) => JSON.parse((await program('local/keys.ts', ...given, '--json')).stdout);
    const ask = async (key: string, headers: Record<string, string> = {}) =>
      (await fetch(`${service.url}/v1/jobs`, { headers: { 'x-api-key': key, ...headers } })).status;
    const old = await keys('create', '--test', '--spend-cap', '100', '--origins', 'https://a.example');
    expect(old).toMatchObject({ test: true, spend_cap: 100, allowed_origins: ['https://a.example'] });
    expect(old.scopes).not.toContain('keys:manage');
    expect(await ask(old.key, { origin: 'https://b.example' })).toBe(403);
    const rotated = await keys('rotate', old.id);
    expect(rotated.key).toMatch(/^sr_test_/);
    expect([await ask(old.key), await ask(rotated.key)]).toEqual([200, 200]);
    const last = await keys('rotate', old.id, '--overlap-seconds', '0');
    expect([await ask(old.key), await ask(rotated.key), await ask(last.key)]).toEqual([401, 401, 200]);
    const capped = program('local/keys.ts', 'create', '--inflight-cap', '1', '--scopes', 'keys:manage');
    await expect(capped).rejects.toThrow(/could lift/);
  });

  test('names the fault', async () => {
    openDatabase(directory).close();
    await expect(program('local/keys.ts', 'create', '--inflight-cap', 'x')).rejects.toThrow(/inflight_cap/);
    await expect(program('local/keys.ts', 'create', '--scopes', 'jobs:all')).rejects.toThrow(
      /"jobs:all" is not a scope/,
    );
    await expect(program('local/keys.ts', 'revoke', 'key_none')).rejects.toThrow(/no key key_none/);
  });
});

describe('npm run restore', () => {
  test('restores a file without a server, in the format that its name asks for', async () => {
    const input = join(directory, 'in.png');
    const output = join(directory, 'out.webp');
    await writeFile(input, await photo());
    const { stdout } = await program(
      'gpu-worker/cli.ts',
      input,
      output,
      '--model',
      'real-esrgan-fast',
      '--scale',
      '2',
      '--seed',
      '7',
      '--json',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      width: 48,
      height: 32,
      parameters: { scale: 2, seed: 7, format: 'webp' },
    });
    const result = await sharp(await readFile(output)).metadata();
    expect([result.format, result.width, result.height]).toEqual(['webp', 48, 32]);
  });

  test('leaves nothing where the input is bad, and says why', async () => {
    const input = join(directory, 'in.png');
    await writeFile(input, 'This is no picture.');
    const failing = program('gpu-worker/cli.ts', input, join(directory, 'out.png'));
    await expect(failing).rejects.toThrow(/accepted are jpeg/);
    expect(await readdir(directory)).toEqual(['in.png']);
    await expect(program('gpu-worker/cli.ts', input, join(directory, 'out.png'), '--scale', '9')).rejects.toThrow(
      /--scale 9/,
    );
    await expect(program('gpu-worker/cli.ts', input)).rejects.toThrow(/Two files are needed/);
    await expect(program('gpu-worker/cli.ts', input, directory)).rejects.toThrow(/OUT is a folder/);
    const nowhere = join(directory, 'none', 'out.png');
    await expect(program('gpu-worker/cli.ts', input, nowhere)).rejects.toThrow(/no folder \S+none/);
  });
});
