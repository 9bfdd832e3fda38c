import { describe, expect, it } from 'vitest';
import { ABOUT, isPublished, OPTIONS } from '../../../../gpu-worker/restore-files/arguments.ts';
import type { Photo } from '../../../../gpu-worker/restore-files/find-photos.ts';
import { createPace } from '../../../../gpu-worker/restore-files/pace.ts';
import { readParameters } from '../../../../gpu-worker/restore-files/parameter-options.ts';
import { checkPattern, formatOfName, resultPath } from '../../../../gpu-worker/restore-files/result-names.ts';
import { helpOf, readCommandLine } from '../../../../shared/adapters/node/command-line.ts';
import { oneLine } from '../../../../shared/one-line.ts';
import { OUTPUT_FORMATS } from '../../../../shared/output-format.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';

/** The command line without files. */

describe('the published mode', () => {
  it.each([
    [['--published'], true],
    [['--compat'], true],
    [['--compat', '--published'], true],
    [[], false],
  ])('%j: %s', (given, published) => {
    const line = readCommandLine({ name: 'restore', about: ABOUT, options: OPTIONS }, given);
    expect('values' in line && isPublished(line.values)).toBe(published);
  });
});

describe('parameters as options', () => {
  it.each([
    [{ scale: '2.5' }, { scale: 2.5 }],
    [
      { scale: '+1e0', seed: '4294967295' },
      { scale: 1, seed: 4294967295 },
    ],
    [{ tags: 'append:dog,meadow' }, { tags: { mode: 'append', list: ['dog', 'meadow'] } }],
    [
      { 'guidance-scale': '7', prompt: '12' },
      { guidance_scale: 7, prompt: '12' },
    ],
    [{ metadata: 'strip_location' }, { metadata: 'strip_location' }],
    [{ target: '1920x1080' }, { target: { width: 1920, height: 1080 } }],
    [{ target: '1920x' }, { target: { width: 1920 } }],
    [{ target: 'x1080' }, { target: { height: 1080 } }],
    [{ target: '24MP' }, { target: { megapixels: 24 } }],
    [{ target: '.5mp' }, { target: { megapixels: 0.5 } }],
    [{ format: 'tif' }, { format: 'tiff' }],
  ])('%j', (values, expected) => {
    expect(readParameters(values)).toMatchObject(expected);
  });

  it.each(['', ' ', '4x', '4,5', '0x4', 'NaN', 'Infinity', '--2', '1 2', '٤'])('"%s" is no number', (scale) => {
    expect(() => readParameters({ scale })).toThrow(`--scale "${scale}": it must be a number`);
  });

  it.each([
    [{ scale: '0.5' }, /^--scale 0\.5: /],
    [{ quality: '50.5' }, /^--quality 50\.5: /],
    [{ seed: '1e99' }, /^--seed 1e99: /],
    [{ model: 'Best' }, /^--model Best: /],
    [{ target: '1920' }, /^--target 1920: width, height or both, or megapixels alone$/],
    [{ target: 'x' }, /^--target x: /],
    [{ target: '10x20x30' }, /^--target 10x20x30: /],
    [{ target: '-5x' }, /^--target -5x: /],
    [{ target: '0x' }, /^--target 0x: /],
    [{ scale: '17', denoise: 'x' }, /^--denoise "x": [^;]*; --scale 17: /],
  ])('%j is refused with every rule', (values, message) => {
    expect(() => readParameters(values)).toThrow(message);
  });

  it('are all in the help', () => {
    const help = helpOf({ name: 'restore', about: ABOUT, options: OPTIONS });
    for (const name of Object.keys(requestedParametersSchema.shape)) {
      expect(help).toContain(`\n  --${name.replaceAll('_', '-')} `);
    }
  });
});

describe('the format of a name', () => {
  it.each([
    ['photo.png', undefined, 'png'],
    ['PHOTO.JPG', undefined, 'jpeg'],
    ['scan.TIF', undefined, 'tiff'],
    ['scan.tiff', 'tiff', 'tiff'],
    ['a.b.jpeg', 'jpeg', 'jpeg'],
    ['.png', 'webp', 'webp'], // hidden, without an ending
    ['photo', undefined, undefined],
    ['photo.', 'avif', 'avif'],
  ] as const)('%s with --format %s: %s', (name, asked, format) => {
    expect(formatOfName('OUT', name, asked)).toBe(format);
  });

  it.each(['photo.bmp', 'photo.jpg.bak', 'photo.png ', 'photo.2024', 'photo.constructor'])('%s has none', (name) => {
    expect(() => formatOfName('OUT', name, undefined)).toThrow(/which is no output format: \.png, /);
  });

  it('must be that of --format', () => {
    expect(() => formatOfName('OUT', 'photo.png', 'webp')).toThrow('OUT ends in .png, but --format is webp.');
  });
});

describe('the name of a result', () => {
  const photo: Photo = { name: 'a.b', ending: 'jpg', subfolder: 'x/y', path: '', shown: '', identity: '', bytes: 1 };
  const parametersOf = (format: (typeof OUTPUT_FORMATS)[number], scale: number) =>
    completeParameters(requestedParametersSchema.parse({ format, scale }), [{ model: 'real-esrgan' }]);

  it.each([
    ['{name}-{scale}x', '/out/x/y/a.b-2.5x.png'],
    ['{name}-{size}', '/out/x/y/a.b-2.5x.png'],
    ['{name}.png', '/out/x/y/a.b.png'],
    ['{model}-{name}-{name}', '/out/x/y/real-esrgan-a.b-a.b.png'],
    ['same', '/out/x/y/same.png'],
  ])('%s', (pattern, path) => {
    expect(resultPath('/out', pattern, photo, parametersOf('png', 2.5))).toBe(path);
  });

  it.each([
    [{ width: 1920, height: 1080 }, '/out/x/y/a.b-1920x1080.png'],
    [{ width: 1920 }, '/out/x/y/a.b-1920x.png'],
    [{ height: 1080 }, '/out/x/y/a.b-x1080.png'],
    [{ megapixels: 2.5 }, '/out/x/y/a.b-2.5MP.png'],
  ])('of a target of %j', (target, path) => {
    const parameters = completeParameters(requestedParametersSchema.parse({ target }), [{ model: 'real-esrgan' }]);
    expect(resultPath('/out', '{name}-{size}', photo, parameters)).toBe(path);
    expect(() => resultPath('/out', '{name}-{scale}', photo, parameters)).toThrow(/no scale with --target; \{size\}/);
  });

  it('ends as its format does, and says so', () => {
    for (const format of OUTPUT_FORMATS) {
      expect(formatOfName('OUT', resultPath('', '{name}', photo, parametersOf(format, 4)), undefined)).toBe(format);
    }
  });

  it('keeps text that looks like a word of the pattern in the name of the photo', () => {
    const tricky = { ...photo, name: '{scale} $& {name}' };
    expect(resultPath('/out', '{name}', tricky, parametersOf('png', 4))).toBe('/out/x/y/{scale} $& {name}.png');
  });

  it.each(['', 'a/b', 'a\\b', '{}', '{nam}', '{name }'])('"%s" is no pattern', (pattern) => {
    expect(() => checkPattern(pattern)).toThrow(/^--name/);
  });
});

it.each([
  ['plain é 名前 👩‍👧', 'plain é 名前 👩‍👧'],
  ['two\nlines\r\t', 'two\\u{a}lines\\u{d}\\u{9}'],
  ['\u001b[31mred\u009b', '\\u{1b}[31mred\\u{9b}'],
  ['gpj.\u202eexe \u2066', 'gpj.\\u{202e}exe \\u{2066}'],
  ['half \ud83d', 'half \\u{d83d}'],
])('%j is shown in one line that does nothing else', (text, shown) => {
  expect(oneLine(text)).toBe(shown);
});

describe('the pace of a run', () => {
  it('is learned from tiles and from bytes, without loading and without skipped photos', () => {
    let clock = 0;
    const pace = createPace(4000, () => clock);
    pace.begin(1000);
    pace.end(false);
    expect(pace.share()).toBe(0);
    pace.begin(1500);
    pace.update({ stage: 'load', percent: 0 });
    clock = 60_000;
    pace.update({ stage: 'decode', percent: 1 });
    pace.update({ stage: 'upscale', percent: 4, tile: 0, tiles: 4 });
    expect([pace.speed(), pace.timeLeft()]).toEqual(['', '']);
    for (let tile = 1; tile <= 4; tile++) {
      clock += 4_000;
      pace.update({ stage: 'upscale', percent: 4 + 24 * tile, tile, tiles: 4 });
      pace.update({ stage: 'upscale', percent: 4 + 24 * tile, tile, tiles: 4 });
    }
    expect(pace.speed()).toBe('4.0 s/tile');
    expect(pace.share()).toBe(0.5);
    // 48 % of the run took 16 s.
    expect(pace.timeLeft()).toBe('00:17 left');
    pace.end(true);
    expect(pace.share()).toBe(0.5);
  });

  it('says hours, and tiles a second', () => {
    let clock = 0;
    const pace = createPace(100, () => clock);
    pace.begin(100);
    pace.update({ stage: 'denoise', percent: 0, step: 1, steps: 50, tile: 0, tiles: 9 });
    clock = 250;
    pace.update({ stage: 'denoise', percent: 0, step: 1, steps: 50, tile: 1, tiles: 9 });
    expect(pace.speed()).toBe('4.0 tiles/s');
    clock = 3_600_000;
    pace.update({ stage: 'denoise', percent: 50, step: 25, steps: 50, tile: 1, tiles: 9 });
    expect(pace.timeLeft()).toBe('1:00:00 left');
  });

  it.each([0, 1])('has no number that is none where the photos have %i bytes', (bytes) => {
    const pace = createPace(bytes, () => 0);
    pace.begin(bytes);
    pace.update({ stage: 'upscale', percent: 50, tile: 1, tiles: 1 });
    expect(`${pace.share()} ${pace.speed()} ${pace.timeLeft()}`).not.toMatch(/NaN|Infinity/);
  });
});
