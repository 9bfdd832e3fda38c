import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../../local/config.ts';
import { type Service, startService } from '../../../local/service.ts';
import { createLog } from '../../../shared/log.ts';

/** The client as others get it: packed, in a folder that knows nothing of this repository, in plain Node. */

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));

let directory: string;
let service: Service;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-client-package-'));
  const config = readConfig({
    DATA_DIR: join(directory, 'data'),
    MODELS_DIR: join(directory, 'models'),
    PORT: '0',
    DEVICE: 'cpu',
  });
  service = await startService(
    config,
    createLog('silent', () => {}),
  );
  const built = join(directory, 'built');
  await run(process.execPath, [path('local/build-client.ts'), built]);
  const { stdout } = await run('npm', ['pack', '--offline', '--ignore-scripts', '--silent', built], { cwd: directory });
  const installed = join(directory, 'node_modules/seesr-cloud');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(directory, stdout.trim()), '--strip-components=1', '-C', installed]);
  await writeFile(join(directory, 'package.json'), '{"type": "module"}');
});
afterAll(async () => {
  await service?.close();
  await rm(directory, { recursive: true, force: true });
});

const PROGRAM = `
import { readFile } from 'node:fs/promises';
import { createClient, isApiError } from 'seesr-cloud/client';

const [photo = '', baseUrl = '', key = ''] = process.argv.slice(2);
const client = createClient({ baseUrl, key });
const { job, result } = await client.restore(new Uint8Array(await readFile(photo)), { model: 'real-esrgan', fidelity: 1 });
const missing = await client.job('job_00000000000000000000000000').catch((error: unknown) => error);
console.log(JSON.stringify([job.status, result.size === job.output?.bytes, isApiError(missing) && missing.problem.code]));
`;

test('it runs in plain Node, and with nothing else installed', async () => {
  const program = join(directory, 'program.js');
  await writeFile(program, PROGRAM.replace(': unknown', ''));
  const parameters = [path('local/demo-photo/dog.jpg'), service.url, service.firstKey!];
  const { stdout } = await run(process.execPath, ['--no-strip-types', program, ...parameters], { cwd: directory });
  expect(JSON.parse(stdout)).toEqual(['succeeded', true, 'not-found']);
});

test('its types are those of the API', async () => {
  await symlink(path('node_modules/zod'), join(directory, 'node_modules/zod'));
  await symlink(path('node_modules/@types'), join(directory, 'node_modules/@types'));
  await symlink(path('node_modules/undici-types'), join(directory, 'node_modules/undici-types'));
  const misuse =
    "// @ts-expect-error: no number\nclient.quote({ input: { width: 1, height: 1 }, fidelity: 'much' });\n";
  await writeFile(join(directory, 'program.ts'), PROGRAM + misuse);
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--types',
    'node',
    'program.ts',
  ];
  const compiler = path('node_modules/typescript/bin/tsc');
  const types = join(directory, 'node_modules/seesr-cloud/types');
  const files = (await readdir(types, { recursive: true })).filter((name) => name.endsWith('.ts'));
  const declarations = await Promise.all(files.map((name) => readFile(join(types, name), 'utf8')));
  expect(declarations.join('\n')).not.toMatch(/['"]\.{1,2}\/[^'"]+\.ts['"]/); // older compilers know none
  const checking = run(process.execPath, [compiler, '--ignoreConfig', ...options], { cwd: directory });
  expect(await checking.catch((error: unknown) => error)).toMatchObject({ stdout: '' });
});

test('pages of any origin can import it from the service', async () => {
  const response = await fetch(new URL('/client.js', service.url), { headers: { Origin: 'https://shop.example' } });
  expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
  expect(response.headers.get('Content-Type')).toMatch(/^text\/javascript/);
  expect(response.headers.get('Cache-Control')).toBe('public, max-age=300');
  const file = join(directory, 'from-service.js');
  await writeFile(file, await response.text());
  const { stdout } = await run(process.execPath, [
    '-e',
    `import(${JSON.stringify(file)}).then((m) => console.log(typeof m.createClient))`,
  ]);
  expect(stdout.trim()).toBe('function');
  const etag = response.headers.get('ETag')!;
  const again = await fetch(new URL('/client.js', service.url), { headers: { 'If-None-Match': etag } });
  expect(again.status).toBe(304);
});
