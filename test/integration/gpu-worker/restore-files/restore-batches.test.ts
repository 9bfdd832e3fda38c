import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endOf, flatPhoto, restore, startRestore, untilWorking } from '../../../support/restore-command.ts';

/** Several photos by one `npm run restore`, pipes, signals, and the view of a terminal. */

let here: string;
let photo: Buffer;
beforeEach(async () => {
  here = await mkdtemp(join(tmpdir(), 'seesr-restore-'));
  photo = await flatPhoto();
});
afterEach(() => rm(here, { recursive: true, force: true }));

const at = (name: string) => join(here, name);
const run = (...given: string[]) => restore(given, { cwd: here });
const listing = async (folder: string) => (await readdir(at(folder), { recursive: true })).sort();

async function put(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(join(at(name), '..'), { recursive: true });
    await writeFile(at(name), photo);
  }
}

describe('folders', () => {
  test('the photos in them, with their folders, and one that is broken ends nothing', async () => {
    await put('in/1.png', 'in/2.JPG', 'in/10.png', 'in/.hidden.png', 'in/.git/x.png', 'in/sub/deep/3.png');
    await put('in/out/old.png', 'elsewhere/4.png');
    await writeFile(at('in/broken.jpg'), 'words');
    await writeFile(at('in/notes.txt'), 'words');
    await writeFile(at('in/raw.nef'), 'words');
    spawnSync('mkfifo', [at('in/pipe.png')]);
    await symlink('../elsewhere', at('in/linked'));
    await symlink('..', at('in/sub/circle'));
    const latin1 = Buffer.concat([Buffer.from(`${at('in/sub')}/caf`), Buffer.from([0xe9]), Buffer.from('.png')]);
    await writeFile(latin1, photo);

    const { code, stdout, stderr } = await run('in', '--recursive', '--out', 'in/out', '--json');
    expect(code).toBe(1);
    const results = ['1-4x.png', '2-4x.png', '10-4x.png', 'sub/café-4x.png', 'sub/deep/3-4x.png'];
    expect(await listing('in/out')).toEqual([...results, 'old.png', 'sub', 'sub/deep'].sort());
    const lines = stdout.trim().split('\n');
    const objects = lines.map((line) => JSON.parse(line));
    expect(objects.map(({ input }) => input)).toEqual([
      'in/1.png',
      'in/2.JPG',
      'in/10.png',
      'in/broken.jpg',
      'in/sub/café.png',
      'in/sub/deep/3.png',
    ]);
    expect(objects[0]).toMatchObject({ output: at('in/out/1-4x.png'), width: 64, parameters: { scale: 4 } });
    expect(objects[3]).toEqual({
      input: 'in/broken.jpg',
      output: at('in/out/broken-4x.png'),
      error: { code: 'unsupported-media-type', message: expect.stringContaining('accepted are jpeg') },
    });
    const summary = stderr.trim().split('\n');
    expect(summary.slice(-2)).toEqual([
      '6 photos: 5 restored, 1 failed. Left out: 2 hidden, 2 links to folders, 3 not named as photos are (.nef, .txt, a pipe).',
      expect.stringMatching(/^Failed: in\/broken\.jpg: The file is not/),
    ]);
  });

  test('only the photos directly in them without --recursive; none is no failure', async () => {
    await put('in/1.png', 'in/sub/2.png');
    await mkdir(at('empty'));
    const { code, stderr } = await run('in', 'empty', '--out', 'out');
    expect([code, stderr]).toEqual([0, '1 photo: 1 restored. Left out: 1 folder within (--recursive).\n']);
    expect(await listing('out')).toEqual(['1-4x.png']);
  });

  test('that hold their own results: those of an earlier run are no photos', async () => {
    await put('a.png', 'b.png');
    expect((await run('.', '--out', '.')).code).toBe(0);
    const again = await run('.', '--out', '.');
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('The result of a.png would take the place of a-4x.png, which is one of the photos.');
    await put('c.png');
    const { code, stderr } = await run('.', '--out', '.', '--skip-existing');
    expect(code).toBe(0);
    expect(stderr).toBe('3 photos: 1 restored, 2 there already. Left out: 2 results of an earlier run.\n');
    expect(await listing('.')).toEqual(['a-4x.png', 'a.png', 'b-4x.png', 'b.png', 'c-4x.png', 'c.png']);
  });
});

test('names, patterns and the files that they stand for, each photo once', async () => {
  await put('a.png', 'b.png', 'sub/c.png', '[1].png', 'out/old.png');
  await writeFile(at('notes.txt'), 'words');
  const { code, stderr } = await run('./a.png', '?.png', 'a.png', '[1].png', '{sub,none}/*', '*.gif', '--out', 'out');
  expect(code).toBe(1);
  expect(await listing('out')).toEqual(['[1]-4x.png', 'a-4x.png', 'b-4x.png', 'c-4x.png', 'old.png']);
  expect(stderr).toContain('5 photos: 4 restored, 1 failed.');
  expect(stderr).toContain('Failed: *.gif: No file matches it.');
  // The folder for results is below that of the pattern.
  const everything = await run('**/*', '--out', 'out', '--name', 'x-{name}-{scale}-{model}.webp', '--scale', '1.5');
  expect(everything.code).toBe(0);
  const names = ['[1]', 'a', 'b', 'c'].map((name) => `x-${name}-1.5-real-esrgan-fast.webp`);
  expect((await listing('out')).filter((name) => name.startsWith('x'))).toEqual(names);
});

test.each([
  [1, 'two photos of one name', ['a.png', 'sub/a.png', '--out', 'out'], /would both become \S+out\/a-4x\.png/],
  [1, 'photos that differ in their endings', ['a.png', 'a.webp', '--out', 'out'], /would both become/],
  [1, 'a pattern without the name', ['a.png', 'b.png', '--out', 'out', '--name', 'x'], /would both become/],
  [2, 'several photos and one OUT', ['?.png', 'x.png'], /IN stands for 2 photos\. They need --out/],
  [2, 'several photos and no folder', ['a.png', 'b.png', 'x.png'], /3 names, and x\.png is no folder/],
  [1, 'a file as folder', ['a.png', '--out', 'b.png'], /b\.png cannot be made: a file stands in the way/],
  [1, 'a folder whose parent is not there', ['a.png', '--out', 'none/out'], /no folder \S+none/],
  [2, 'a pattern with a folder', ['a.png', '--out', 'out', '--name', '../{name}'], /must be the name of a file/],
  [2, 'a pattern with an unknown word', ['a.png', '--out', 'out', '--name', '{nam}'], /there is no \{nam\}/],
  [2, 'a pattern with another ending', ['a.png', '--out', 'out', '--name', '{name}.gif'], /no output format/],
  [2, 'one name', ['a.png'], /Two files are needed/],
  [2, 'no name', ['--out', 'out'], /No photo is named/],
  [2, 'an unknown option', ['a.png', 'x.png', '--skale', '2'], /there is no option --skale, was --scale meant\?/],
  [2, 'no number', ['a.png', 'x.png', '--scale', '4x'], /--scale "4x": it must be a number/],
  [
    1,
    'a number out of bounds',
    ['a.png', 'x.png', '--scale', '9'],
    /scale is 9; real-esrgan-fast enlarges by at most 4/,
  ],
  [
    2,
    'a device that is none',
    ['a.png', 'x.png', '--device', 'tpu'],
    /--device tpu: expected auto, or some of cpu, cuda/,
  ],
  [2, 'an index that no device has', ['a.png', 'x.png', '--device', 'cpu:1'], /cpu:1: cpu has no index but 0\./],
  [
    2,
    'several devices',
    ['a.png', 'x.png', '--device', 'cuda:0,cuda:1'],
    /cuda:1: this computes on one device; the service/,
  ],
])('refused before the work, with %i: %s', async (expected, _, given, message) => {
  await put('a.png', 'b.png', 'a.webp', 'sub/a.png');
  const { code, stdout, stderr, worked } = await run(...given);
  expect([code, stdout, worked]).toEqual([expected, '', false]);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^seesr restore: /);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(await listing('.')).toEqual(['a.png', 'a.webp', 'b.png', 'sub', 'sub/a.png']);
});

test('--skip-existing leaves whole results as they are; an empty file is none', async () => {
  await put('a.png', 'b.png', 'c.png');
  await mkdir(at('out'));
  await writeFile(at('out/a-4x.png'), 'mine');
  await writeFile(at('out/b-4x.png'), '');
  const { code, stdout, stderr } = await run('a.png', 'b.png', 'c.png', 'out', '--skip-existing', '--json');
  expect([code, stderr]).toEqual([0, '3 photos: 2 restored, 1 there already.\n']);
  expect(JSON.parse(stdout.split('\n')[0]!)).toEqual({ input: 'a.png', output: at('out/a-4x.png'), skipped: true });
  expect(await readFile(at('out/a-4x.png'), 'utf8')).toBe('mine');
  expect((await stat(at('out/b-4x.png'))).size).toBeGreaterThan(0);
});

test('the settings of the service hold here too', async () => {
  await put('a.png');
  const cases: [Record<string, string>, RegExp][] = [
    [{ MAX_INPUT_PIXELS: '255' }, /a\.png: The image has 16×16 = 256 pixels/],
    [{ MAX_OUTPUT_PIXELS: '4095' }, /a\.png: The result would have 64×64 = 4096 pixels/],
    [{ MAX_UPLOAD_BYTES: '10' }, /a\.png: The file has \d+ bytes; MAX_UPLOAD_BYTES is 10/],
    [{ MAX_INPUT_PIXELS: 'many' }, /MAX_INPUT_PIXELS=many/],
  ];
  for (const [env, message] of cases) {
    const { code, stderr } = await restore(['a.png', 'x.png'], { cwd: here, env });
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  }
  const stream = await restore(['-', 'x.png'], { cwd: here, env: { MAX_UPLOAD_BYTES: '10' }, input: photo });
  expect(stream.stderr).toContain('MAX_UPLOAD_BYTES is 10');
  const env = { MAX_INPUT_PIXELS: '256', MAX_OUTPUT_PIXELS: '4096' };
  expect((await restore(['a.png', 'x.png'], { cwd: here, env })).code).toBe(0);
});

describe('pipes', () => {
  test('"-" is standard input and output: the picture and nothing else', async () => {
    const child = startRestore(['-', '-', '--format', 'webp'], { cwd: here });
    child.stdin!.end(photo);
    const bytes: Buffer[] = [];
    child.stdout!.on('data', (chunk) => bytes.push(chunk));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(0);
    expect(await sharp(Buffer.concat(bytes)).metadata()).toMatchObject({ format: 'webp', width: 64 });
    const named = await restore(['-', '--out', '.', '--name', '{name}-restored'], { cwd: here, input: photo });
    expect([named.code, await listing('.')]).toEqual([0, ['stdin-restored.png']]);
  });

  test('a reader that stops gets no complaint, and nothing is left', async () => {
    await writeFile(at('a.png'), await flatPhoto('png', 600));
    const child = startRestore(['a.png', '-', '--fidelity', '1', '--format', 'avif'], { cwd: here });
    child.stdout!.destroy();
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(141);
    const lines = startRestore(['a.png', '.', '--out', 'out', '--fidelity', '1'], { cwd: here });
    lines.stdout!.destroy();
    const [stderr, ended] = await Promise.all([
      text(lines.stderr!),
      new Promise((resolve) => lines.once('close', resolve)),
    ]);
    expect(ended).toBe(141);
    expect(stderr).not.toMatch(/^[^[]/m);
    expect((await listing('.')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test.each([
    ['--json', ['a.png', '-', '--json'], {}, /the picture or --json/],
    ['npm', ['a.png', '-'], { npm_lifecycle_event: 'restore', npm_config_user_agent: 'npm/11' }, /npm run --silent/],
  ])('standard output is not shared with %s', async (_, given, env: Record<string, string>, message) => {
    const { code, stdout, stderr } = await restore(given, { cwd: here, env });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});

describe('a run that is stopped', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('by %s leaves nothing behind and tells by its exit status', async (name, code) => {
    await writeFile(at('a.png'), await flatPhoto('png', 256));
    await put('b.png');
    await mkdir(at('temporary'));
    const child = startRestore(['-', 'b.png', '--out', 'out'], {
      cwd: here,
      model: ['--model', 'real-esrgan'],
      env: { TMPDIR: at('temporary') },
    });
    child.stdin!.end(await readFile(at('a.png')));
    await untilWorking(child);
    expect((await listing('out')).filter((each) => each.endsWith('.unfinished'))).toHaveLength(1);
    child.kill(name);
    child.kill(name); // as npm and the terminal do
    const ended = await endOf(child);
    expect(ended).toMatchObject({ code, signal: null, stdout: '' });
    expect(ended.stderr).toBe('2 photos: 0 restored, 2 not done (--skip-existing goes on there).\n');
    expect([await listing('out'), await listing('temporary')]).toEqual([[], []]);
  });

  test('by kill -9 leaves one hidden folder that the next run does not mind', async () => {
    await writeFile(at('a.png'), await flatPhoto('png', 256));
    const child = startRestore(['a.png', 'x.png'], { cwd: here, model: ['--model', 'real-esrgan'] });
    await untilWorking(child);
    child.kill('SIGKILL');
    expect(await endOf(child)).toMatchObject({ code: null, signal: 'SIGKILL' });
    const left = (await readdir(here)).filter((name) => name !== 'a.png');
    expect(left).toEqual([expect.stringMatching(/^\.seesr-cloud-[0-9a-f]+\.unfinished$/)]);
    await put('a.png');
    const next = await run('.', '--out', 'out');
    expect([next.code, await listing('out')]).toEqual([0, ['a-4x.png']]);
  });

  test('goes on with photos that have no result yet', async () => {
    await put('a.png', 'c.png');
    await writeFile(at('b.png'), await flatPhoto('png', 512));
    const child = startRestore(['.', '--out', 'out'], { cwd: here, model: ['--model', 'real-esrgan'] });
    await new Promise((resolve) => child.stdout!.once('data', resolve)); // a is done
    child.kill('SIGINT');
    const ended = await endOf(child);
    expect([ended.code, ended.stderr]).toEqual([
      130,
      '3 photos: 1 restored, 2 not done (--skip-existing goes on there).\n',
    ]);
    expect(await listing('out')).toEqual(['a-4x.png']);
    await utimes(at('out/a-4x.png'), 0, 0);
    await put('b.png');
    const next = await run('.', '--out', 'out', '--skip-existing');
    expect([next.code, next.stderr]).toEqual([0, '3 photos: 2 restored, 1 there already.\n']);
    expect(await listing('out')).toEqual(['a-4x.png', 'b-4x.png', 'c-4x.png']);
    expect((await stat(at('out/a-4x.png'))).mtimeMs).toBe(0);
  });
});

test.runIf(process.platform === 'linux')('an engine that dies is replaced', async () => {
  await put('b.png');
  await writeFile(at('a.png'), await flatPhoto('png', 2048));
  const child = startRestore(['a.png', 'b.png', '--out', 'out', '--json'], { cwd: here });
  await untilWorking(child, 'tile'); // before, it is the model that cannot be loaded
  const [engine] = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim().split(' ');
  process.kill(Number(engine), 'SIGSEGV');
  const { code, stdout, stderr } = await endOf(child);
  expect(code).toBe(1);
  expect(JSON.parse(stdout.split('\n')[0]!)).toMatchObject({ input: 'a.png', error: { code: 'engine-failed' } });
  expect(stderr).toContain('2 photos: 1 restored, 1 failed.');
  expect(await listing('out')).toEqual(['b-4x.png']);
});

const hasScript = spawnSync('script', ['--version']).status === 0;
test.runIf(hasScript)('on a terminal there is one line of progress, below the messages', async () => {
  await put('a.png', 'b.png');
  const cli = new URL('../../../../gpu-worker/cli.ts', import.meta.url).pathname;
  const command = `${process.execPath} ${cli} a.png none.png b.png --out out --model real-esrgan-fast; echo ended $?`;
  const shown = execFileSync('script', ['-qec', command, '/dev/null'], { cwd: here, encoding: 'utf8' });
  // The final view: the progress is cleared before anything else is written.
  const lines = shown.split('\r\n').map((line) => stripVTControlCharacters(line.split('\u001b[2K').at(-1)!));
  expect(lines.filter((line) => line !== '')).toEqual([
    expect.stringMatching(/^Device: .+ \(auto.*\)$/),
    'none.png: There is no such file.',
    expect.stringMatching(/out\/a-4x\.png: 64×64/),
    expect.stringMatching(/^ {2}True to the photo/),
    expect.stringMatching(/out\/b-4x\.png: 64×64/),
    expect.stringMatching(/^ {2}True to the photo/),
    '3 photos: 2 restored, 1 failed.',
    'Failed: none.png: There is no such file.',
    'ended 1',
  ]);
  expect(shown).toMatch(/\[[=-]+\] \d+% \| 2\/2 b\.png \|/);
});
