import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage } from '../../../../gpu-worker/images/decode.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { statedProfile } from '../../../../gpu-worker/images/stated-profile.ts';
import { restore } from '../../../../gpu-worker/restore/restore.ts';
import { testMode } from '../../../../gpu-worker/restore/test-mode.ts';
import { readConfig } from '../../../../local/config.ts';
import { uploadArrived } from '../../../../shared/admission.ts';
import type { JobView } from '../../../../shared/api.ts';
import { encodingOf } from '../../../../shared/color-encoding.ts';
import { readImageHeader } from '../../../../shared/image-format.ts';
import { withoutExifPrefix } from '../../../../shared/image-header.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { openTiff, readDirectory, readNumber } from '../../../../shared/tiff.ts';
import { fixture } from '../../../support/sample-images.ts';
import { announce, bodyOf, createService, problemOf, send, upload } from '../../../support/service.ts';

/** Four flat fields, 63×45 as they are seen; test/fixtures/formats/README.md says how they are stored. */
const TURNED = fixture('formats/turned-p3.heic');
const GRAY = fixture('formats/gray-alpha.heic');
const PHONE = fixture('formats/iphone7.heic');

/** As the numbers of the file say it; stated-colors.test.ts looks at the shown colors. */
const DISPLAY_P3 = statedProfile(encodingOf(12, 13), 3);

const on = { ...DEFAULT_LIMITS, heic: true };
const { cache } = createRequire(import.meta.url);
const isLoaded = () => Object.keys(cache).some((path) => path.includes('libheif-js'));

/** One pixel well inside of each quarter, row by row. */
function fields({ width, height, channels, data }: Pixels): number[][] {
  const [left, right, top, bottom] = [width >> 2, width - (width >> 2), height >> 2, height - (height >> 2)];
  return [top, bottom].flatMap((y) =>
    [left, right].map((x) => Array.from(data.subarray((y * width + x) * channels, (y * width + x + 1) * channels))),
  );
}

test('off by default: refused with the name of the switch, and the decoder stays unloaded', async () => {
  expect(readConfig({}).limits.heic).toBe(false);
  expect(readConfig({ HEIC: 'on' }).limits.heic).toBe(true);
  const refused = decodeImage(TURNED, DEFAULT_LIMITS);
  await expect(refused).rejects.toMatchObject({
    code: 'unsupported-media-type',
    message: expect.stringMatching(/HEIC.*Most Compatible.*HEIC=on/),
  });
  await decodeImage(fixture('formats/exif-orientation-6-portrait.jpg'), on);
  expect(isLoaded()).toBe(false);
});

test('the header says the size that is decoded: cropped, turned, mirrored, made of tiles', async () => {
  for (const [path, size] of [
    [TURNED, [63, 45]],
    [GRAY, [63, 45]],
    [PHONE, [4032, 3024]],
  ] as const) {
    const header = readImageHeader(await readFile(path), on);
    expect([header.format, header.width, header.height]).toEqual(['heic', ...size]);
    const { pixels } = await decodeImage(path, on);
    expect([pixels.width, pixels.height]).toEqual(size);
  }
});

test('the limit of pixels comes before the decoder', async () => {
  const small = { ...on, max_input_pixels: 63 * 45 - 1 };
  await expect(decodeImage(TURNED, small)).rejects.toMatchObject({ code: 'image-too-large' });
});

test('upright, in Display P3, with the metadata of the file', async () => {
  const { pixels, alpha, metadata, notes } = await decodeImage(TURNED, on);
  // Quality 90, 4:2:0, as the encoder's own decoder reads it; the profile is not applied.
  const expected = [
    [200, 40, 40],
    [40, 180, 60],
    [40, 60, 200],
    [220, 220, 220],
  ];
  for (const [i, field] of fields(pixels).entries()) {
    for (const [c, value] of field.entries()) expect(Math.abs(value - expected[i]![c]!)).toBeLessThanOrEqual(2);
  }
  expect(alpha).toBeUndefined();
  expect(metadata.icc).toEqual(DISPLAY_P3);
  expect(new TextDecoder().decode(metadata.xmp)).toContain('Four fields');
  expect(notes).toEqual([]);
});

test('gray stays gray, and transparency is kept', async () => {
  const { pixels, alpha } = await decodeImage(GRAY, on);
  expect(pixels.channels).toBe(1);
  expect(fields(alpha!)).toEqual([[255], [255], [255], [0]]);
});

test('a damaged file is an error of the file', async () => {
  const bytes = await readFile(TURNED);
  expect(() => readImageHeader(bytes.subarray(0, 100), on)).toThrow('heic header is damaged');
  const folder = await mkdtemp(join(tmpdir(), 'heic-'));
  const path = join(folder, 'photo.heic');
  await writeFile(path, bytes.subarray(0, bytes.length - 400));
  await expect(decodeImage(path, on)).rejects.toMatchObject({ code: 'image-unreadable' });
  await rm(folder, { recursive: true });
});

test('a crop that is not where the picture is, is an error of the file', async () => {
  const bytes = await readFile(TURNED);
  bytes.writeUInt32BE(64, bytes.indexOf('clap') + 4); // of 45; the picture is 63×64, and the crop lies off its middle
  const folder = await mkdtemp(join(tmpdir(), 'heic-'));
  const path = join(folder, 'photo.heic');
  await writeFile(path, bytes);
  await expect(decodeImage(path, on)).rejects.toMatchObject({
    code: 'image-unreadable',
    message: 'The heic header says 63×64 pixels, but the picture has 63×55.',
  });
  await rm(folder, { recursive: true });
});

test('the result is a JPEG of the same photo', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'heic-'));
  const parameters = completeParameters(requestedParametersSchema.parse({ format: 'jpeg' }), [
    { model: 'real-esrgan' },
  ]);
  const outputPath = join(folder, 'output.jpg');
  await restore({ inputPath: TURNED, outputPath, parameters, limits: on, test: true }, testMode, {
    tileSize: 128,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  const { width, height, icc, exif, xmp } = await sharp(await readFile(outputPath)).metadata();
  await rm(folder, { recursive: true });
  expect([width, height]).toEqual([252, 180]);
  expect(icc).toEqual(DISPLAY_P3);
  const tiff = openTiff(withoutExifPrefix(exif!))!;
  const directory = readDirectory(tiff, tiff.firstDirectory)!;
  expect([274, 0x8825].map((tag) => readNumber(tiff, directory, tag))).toEqual([
    1, // the file says 5: the pixels are turned by now
    expect.any(Number), // where it was taken
  ]);
  expect(xmp?.toString()).toContain('Four fields');
});

test('a job of a HEIC photo is a JPEG, unless something else is asked for', async () => {
  const file = await readFile(TURNED);
  const service = await createService();
  const post = (json: object, to = service) => to.call('POST', '/v1/jobs', { json });
  const refused = await problemOf(await post({ input: { upload_id: await upload(service, file) } }));
  expect(refused).toMatchObject({ code: 'unsupported-media-type', detail: expect.stringContaining('HEIC=on') });
  await service.close();

  const open = await createService({ limits: { ...service.limits, heic: true } });
  const submitted = async (more: object) => bodyOf<JobView>(post({ ...more }, open));
  const here = { input: { base64: file.toString('base64') } };
  expect(await submitted(here)).toMatchObject({
    parameters: { format: 'jpeg' },
    input: { format: 'heic', width: 63, height: 45 },
  });
  expect((await submitted({ ...here, format: 'webp' })).parameters.format).toBe('webp');

  const upload_id = await announce(open, file);
  const [left, asked] = [
    await submitted({ input: { upload_id } }),
    await submitted({ input: { upload_id }, format: 'png' }),
  ];
  await send(open, upload_id, file);
  await uploadArrived(open, (await open.state.getUpload(upload_id))!);
  const formatOf = async ({ id }: JobView) => (await open.state.getJob(id))?.parameters.format;
  expect([await formatOf(left), await formatOf(asked)]).toEqual(['jpeg', 'png']);
  await open.close();
});
