import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);

/** As `npm install --global` leaves the package, but with the dependencies of the clone. */
let home: string;
let program: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'seesr-installed-'));
  await run('npm', ['pack', '--pack-destination', home], { cwd: ROOT });
  const folder = join(home, 'lib/node_modules/seesr-cloud');
  await mkdir(folder, { recursive: true });
  const [file] = (await readdir(home)).filter((name) => name.endsWith('.tgz'));
  await run('tar', ['--extract', '--file', join(home, file!), '--strip-components=1', '--directory', folder]);
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  program = join(folder, 'cli/seesr.mjs');
});
afterAll(() => rm(home, { recursive: true, force: true }));

function seesr(...given: string[]) {
  const { MODELS_DIR: _, ...inherited } = process.env;
  return run(process.execPath, [program, ...given], { cwd: home, env: { ...inherited, HOME: home } });
}

test('the program restores photos from where it was installed to', async () => {
  const create = { width: 16, height: 16, channels: 3 as const, background: '#3060a0' };
  await sharp({ create }).toFile(join(home, 'photo.png'));
  await seesr('restore', 'photo.png', 'result.png', '--model', 'real-esrgan-fast');
  expect(await sharp(join(home, 'result.png')).metadata()).toMatchObject({ width: 64, height: 64 });
});

test('it says nothing of how it was loaded, and keeps models where an update leaves them', async () => {
  const { stdout, stderr } = await seesr('models', 'list');
  expect(stdout).toMatch(/^real-esrgan +shipped/m);
  expect(stderr).toBe('');
  const missing = seesr('models', 'verify', 'seesr');
  await expect(missing).rejects.toThrow(`${home}/.seesr-cloud/models`);
});

test('it names the commands that need the repository', async () => {
  await expect(seesr('parity', 'x')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^seesr parity: .*test\/parity\/main\.ts.*\n$/),
  });
});
