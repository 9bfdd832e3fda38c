import { spawnSync } from 'node:child_process';
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { flatPhoto, restore } from '../../../support/restore-command.ts';

/** Where `npm run restore` reads and writes: photos stay as they are, and a result appears whole or not at all. */

const ROOT = new URL('../../../../', import.meta.url).pathname;
const isRoot = process.getuid?.() === 0;

let here: string;
let photo: Buffer;
beforeEach(async () => {
  here = await mkdtemp(join(tmpdir(), 'seesr-restore-'));
  photo = await flatPhoto();
  await writeFile(join(here, 'a.png'), photo);
});
afterEach(() => rm(here, { recursive: true, force: true }));

const at = (name: string) => join(here, name);
const run = (...given: string[]) => restore(given, { cwd: here });

async function expectPicture(path: string, format: string, side = 64): Promise<void> {
  const picture = sharp(await readFile(path));
  const { width, height, ...found } = await picture.metadata();
  expect([found.format, width, height]).toEqual([format, side, side]);
  await picture.raw().toBuffer(); // whole
}

test('names are those of where npm was called', async () => {
  await mkdir(at('sub'));
  const env = { npm_lifecycle_event: 'restore', INIT_CWD: at('sub') };
  const byNpm = restore(['../a.png', 'b.png'], { cwd: ROOT, env });
  const folder = restore(['../a.png', '--out', 'out'], { cwd: ROOT, env });
  // A script of another name has started this one, and has gone elsewhere.
  const direct = restore(['a.png', 'c.png'], { cwd: here, env: { ...env, npm_lifecycle_event: 'test' } });
  expect((await Promise.all([byNpm, folder, direct])).map(({ code }) => code)).toEqual([0, 0, 0]);
  await expectPicture(at('sub/b.png'), 'png');
  await expectPicture(at('sub/out/a-4x.png'), 'png');
  await expectPicture(at('c.png'), 'png');
});

describe('a photo is never replaced', () => {
  test.each([
    ['by its own name', ['a.png', 'a.png']],
    ['by another way to its folder', ['a.png', './folder/../a.png']],
    ['by a link as IN', ['link.png', 'a.png']],
    ['by a link as OUT', ['a.png', 'link.png']],
    ['by a second name', ['a.png', 'hard.png']],
    ['through a link to its folder', ['a.png', 'other-folder/a.png']],
    ['by a pattern for names', ['a.png', '--out', '.', '--name', '{name}']],
    ['by a link in the folder for results', ['a.png', '--out', 'folder', '--name', 'linked']],
    ['as another photo of the run', ['b.png', 'a.png', '--out', '.', '--name', '{name}', '--format', 'webp']],
  ])('%s', async (_, given) => {
    await symlink('a.png', at('link.png'));
    await link(at('a.png'), at('hard.png'));
    await symlink('.', at('other-folder'));
    await mkdir(at('folder'));
    await symlink('../a.png', at('folder/linked.png'));
    await writeFile(at('b.png'), await flatPhoto());
    await symlink('a.png', at('b.webp'));
    const { code, stderr } = await run(...given);
    expect(code).toBe(1);
    expect(stderr).toMatch(/same file|take the place of a\.png/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await readFile(at('a.png'))).toEqual(photo);
    expect((await readdir(here)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('by a result that an earlier photo of the run has made there', async () => {
    await mkdir(at('in/x'), { recursive: true });
    await mkdir(at('in/y'));
    await writeFile(at('in/x/a.png'), photo);
    await writeFile(at('in/y/a.png'), photo);
    await mkdir(at('out/x'), { recursive: true });
    await symlink('x', at('out/y'));
    const { code, stdout, stderr } = await run('in', '--recursive', '--out', 'out');
    expect([code, stdout.match(/64×64/g)]).toEqual([1, ['64×64']]);
    expect(stderr).toContain('in/y/a.png: OUT is the same file as a photo or another result of this run');
    expect(await readdir(at('out/x'))).toEqual(['a-4x.png']);
  });
});

describe('an impossible place for a result is refused before the work', () => {
  test.each([
    ['a folder', 'folder', /OUT is a folder/],
    ['a folder to come', 'none/', /OUT is a folder/],
    ['no name', '', /OUT is a folder/],
    ['a device', '/dev/null', /OUT is a device/],
    ['a pipe', 'pipe.png', /OUT is a pipe/],
    ['a socket', 'socket.png', /OUT is a socket/],
    ['a link that leads nowhere', 'nowhere.png', /leads nowhere: \S+nowhere\.png -> none\.png/],
    ['links in a circle', 'circle.png', /links lead in a circle/],
    ['a folder that is not there', 'none/x.png', /no folder \S+none\./],
    ['a file instead of a folder', 'a.png/x.png', /no folder \S+a\.png\./],
    ['a file that is read-only', 'protected.png', /protected\.png is read-only/],
    ['a name that is too long', `${'n'.repeat(252)}.png`, /name is too long/],
    ['an ending of another kind', 'x.bmp', /ends in \.bmp, which is no output format: .*\.png.*\.jpg/, [], 2],
    ['an ending that the format is not', 'x.jpg', /ends in \.jpg, but --format is webp/, ['--format', 'webp'], 2],
  ])('%s', async (_, output, message, more: string[] = [], expected = 1) => {
    await mkdir(at('folder'));
    spawnSync('mkfifo', [at('pipe.png')]);
    const server = createServer().listen(at('socket.png'));
    await symlink('none.png', at('nowhere.png'));
    await symlink('circle.png', at('circle.png'));
    await writeFile(at('protected.png'), 'mine');
    await chmod(at('protected.png'), 0o444);
    const before = await readdir(here);
    const { code, stderr, stdout, worked } = await run('a.png', output, ...more);
    expect([code, stdout, worked]).toEqual([expected, '', false]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await readdir(here)).toEqual(before);
    expect(await readFile(at('protected.png'), 'utf8')).toBe('mine');
    server.close();
  });

  test.skipIf(isRoot)('a folder and a file that permissions protect', async () => {
    await mkdir(at('closed'));
    await chmod(at('closed'), 0o555);
    for (const given of [['closed/x.png'], ['--out', 'closed'], ['--out', 'closed/new']]) {
      const { code, stderr } = await run('a.png', ...given);
      expect(code).toBe(1);
      expect(stderr).toContain('permission is missing');
    }
  });

  test.runIf(process.platform === 'linux')('a place without room', async () => {
    await writeFile(at('old.png'), 'old');
    const limited = spawnSync(
      'prlimit',
      ['--fsize=30000', process.execPath, join(ROOT, 'gpu-worker/cli.ts'), 'a.png', 'old.png'],
      { cwd: here, encoding: 'utf8' },
    );
    expect([limited.status, limited.stdout]).toEqual([1, '']);
    expect(limited.stderr).toBe(`a.png: There is no room for the result in ${here}.\n`);
    expect((await readdir(here)).sort()).toEqual(['a.png', 'old.png']);
    expect(await readFile(at('old.png'), 'utf8')).toBe('old');
  });
});

test('an input that cannot be a photo is refused in one line', async () => {
  await mkdir(at('folder'));
  spawnSync('mkfifo', [at('pipe.png')]);
  await symlink('none.png', at('nowhere.png'));
  await writeFile(at('empty.png'), '');
  await writeFile(at('words.png'), 'words');
  const cases: [string, RegExp][] = [
    ['folder', /IN is a folder: folder\. It needs --out/],
    ['none.png', /none\.png: There is no such file/],
    ['pipe.png', /pipe\.png: It is a pipe/],
    ['/dev/zero', /It is a device/],
    ['nowhere.png', /link that leads nowhere/],
    ['empty.png', /empty \(0 bytes\)/],
    ['words.png', /accepted are jpeg/],
    ['*.gif', /\*\.gif: No file matches/],
    ['', /"": It is no name/],
  ];
  const runs = cases.map(async ([input, message]) => {
    const { code, stderr } = await run(input, 'x.png');
    expect([input, code]).toEqual([input, 1]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
  await Promise.all(runs);
  expect(await readdir(here)).not.toContain('x.png');
});

test('a link as OUT stays, and the file that it leads to is replaced with its permissions', async () => {
  await mkdir(at('far'));
  await writeFile(at('far/old.png'), 'old');
  await chmod(at('far/old.png'), 0o640);
  await symlink('far/old.png', at('out.png'));
  expect((await run('a.png', 'out.png')).code).toBe(0);
  expect(await readlink(at('out.png'))).toBe('far/old.png');
  await expectPicture(at('far/old.png'), 'png');
  expect((await stat(at('far/old.png'))).mode & 0o777).toBe(0o640);
  expect(await readdir(at('far'))).toEqual(['old.png']);
});

test('names of every kind, as long as they may be', async () => {
  const names = [
    `${'n'.repeat(250)}.webp`,
    `${'é'.repeat(125)}.webp`, // 255 bytes
    '-x.webp',
    'two\nlines \u001b[31m.webp',
    'photo [1] {name} *.webp',
    '名前 👩‍👧.webp',
  ];
  const restored = names.map(async (name) => {
    const input = name.replace('.webp', '.png');
    await writeFile(at(input), photo);
    const { code, stdout } = await run('--', input, name);
    expect([name, code]).toEqual([name, 0]);
    expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u); // none may get to the terminal
    await expectPicture(at(name), 'webp');
  });
  await Promise.all(restored);
  expect(await readdir(here)).toHaveLength(2 * names.length + 1);
});

test('many runs at once on one OUT leave one whole picture, and a reader meanwhile finds one', async () => {
  const sides = [16, 24, 32, 40, 48, 56];
  let ended = 0;
  const runs = sides.map(async (side) => {
    const scale = String(side / 16);
    const result = await run('a.png', 'out.png', '--fidelity', '1', '--scale', scale);
    ended++;
    return result.code;
  });
  const seen = new Set<number>();
  while (ended < sides.length) {
    const bytes = await readFile(at('out.png')).catch(() => undefined);
    if (bytes) seen.add((await sharp(bytes).raw().toBuffer({ resolveWithObject: true })).info.width);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(await Promise.all(runs)).toEqual(sides.map(() => 0));
  expect([...seen].filter((side) => !sides.includes(side))).toEqual([]);
  expect((await readdir(here)).sort()).toEqual(['a.png', 'out.png']);
});
