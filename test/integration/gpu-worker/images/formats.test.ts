import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../../../local/config.ts';
import { type Service, startService } from '../../../../local/service.ts';
import type { JobView } from '../../../../shared/api.ts';
import type { Problem } from '../../../../shared/error.ts';
import { createLog } from '../../../../shared/log.ts';
import { createTestClient, type TestClient } from '../../../support/client.ts';
import { bombPng, fixture, noise, rawImage } from '../../../support/sample-images.ts';
import { type SampleDirectory, tiffFile } from '../../../support/tiff-sample.ts';

/** Every kind of file through the whole product, over HTTP: a result of the exact size, or a problem that explains. */

let directory: string;
let service: Service;
let client: TestClient;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-formats-'));
  service = await startService(
    readConfig({
      PORT: '0',
      DEVICE: 'cpu',
      DATA_DIR: directory,
      MODELS_DIR: join(directory, 'models'),
      RATE_LIMITS: 'off',
    }),
    createLog('silent', () => {}),
  );
  client = createTestClient(service.url, service.firstKey ?? '');
});
afterAll(async () => {
  await service.close();
  await rm(directory, { recursive: true, force: true });
});

/** The end as a client sees it. JPEG results keep the large pictures quick. */
async function restore(file: Uint8Array): Promise<JobView | Problem> {
  const upload_id = await client.upload(new Uint8Array(file));
  const job = { input: { upload_id }, model: 'real-esrgan-fast', format: 'jpeg', quality: 80 };
  const submitted = await client.post<JobView | Problem>('/v1/jobs', job);
  return 'code' in submitted ? submitted : client.end(submitted.id, 20);
}

async function expectRestored(file: Uint8Array, width: number, height: number): Promise<JobView> {
  const job = await restore(file);
  expect(job).toMatchObject({ status: 'succeeded', input: { width, height } });
  const { id } = job as JobView;
  const result = await sharp(await client.output(id)).metadata();
  expect([result.width, result.height, result.orientation ?? 1]).toEqual([4 * width, 4 * height, 1]);
  return job as JobView;
}

/** Refused at submit, so that no job exists; or failed as a job, uncharged. */
async function expectRefused(file: Uint8Array, code: string, detail: RegExp): Promise<void> {
  const outcome = await restore(file);
  const problem = 'code' in outcome ? outcome : outcome.error;
  expect(problem).toMatchObject({ code, charged: false, detail: expect.stringMatching(detail) });
  if (!('code' in outcome)) expect(outcome).toMatchObject({ status: 'failed', charge: { state: 'released' } });
}

/** As far as the first tile: the header was read, the picture decoded, the tiles planned. Then canceled, uncharged. */
async function expectBegun(file: Uint8Array, width: number, height: number): Promise<void> {
  const upload_id = await client.upload(new Uint8Array(file));
  const { id } = await client.submit({ input: { upload_id }, model: 'real-esrgan-fast' });
  const begun = async () => (await client.job(id)).progress?.tiles ?? 0;
  await expect.poll(begun, { interval: 20 }).toBeGreaterThan(0);
  expect((await client.json<JobView>(`/v1/jobs/${id}/cancel`, { method: 'POST' })).input).toMatchObject({
    width,
    height,
  });
  expect(await client.end(id, 20)).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
}

type Row = readonly [name: string, width: number, height: number];

const SMALL: Row[] = [
  ['photos/06_landscape_denali.webp', 600, 315],
  ['photos/07_face_girl.lr144.jpg', 144, 144],
  ['photos/08_animal_dog.lr144.jpg', 144, 144],
  ['photos/09_building_city_night.lr144.jpg', 144, 144],
  ['photos/10_text_mies.lr144.jpg', 144, 144],
  ['photos/11_lowlight_sign.lr144.jpg', 144, 144],
  ['photos/12_landscape_reflection.lr144.jpg', 144, 144],
  ['photos/13_phone_shoes.jpg', 400, 533],
];

/** Minutes of work on two cores, and little that the small ones and the tests of decoding do not show: with LONG=1. */
const LARGE: Row[] = [
  ['photos/01_old_portrait_curie_c1904.jpg', 840, 700],
  ['photos/02_old_scan_sphinx_1870s.jpg', 800, 626],
  ['photos/03_old_scan_classroom_c1850.jpg', 572, 694],
  ['photos/04_face_grace_hopper.png', 512, 600],
  ['photos/05_landscape_tanners_ridge.jpg', 800, 534],
  ['photos/07_face_girl.png', 576, 576],
  ['photos/08_animal_dog.png', 576, 576],
  ['photos/09_building_city_night.png', 576, 576],
  ['photos/10_text_mies.png', 576, 576],
  ['photos/11_lowlight_sign.png', 576, 576],
  ['photos/12_landscape_reflection.png', 576, 576],
  ['formats/8bit-sRGB.avif', 1617, 1080],
  ['formats/exif-orientation-6-portrait.jpg', 840, 700],
  ['formats/exif_Landscape_2.jpg', 1800, 1200],
  ['formats/exif_Landscape_3.jpg', 1800, 1200],
  ['formats/exif_Landscape_4.jpg', 1800, 1200],
  ['formats/exif_Landscape_5.jpg', 1800, 1200],
  ['formats/exif_Landscape_6.jpg', 1800, 1200],
  ['formats/exif_Landscape_7.jpg', 1800, 1200],
  ['formats/exif_Landscape_8.jpg', 1800, 1200],
];

describe('files of the collection', () => {
  test.each(process.env.LONG ? [...SMALL, ...LARGE] : SMALL)(
    '%s is restored to four times %d×%d',
    async (name, width, height) => {
      await expectRestored(await readFile(fixture(name)), width, height);
    },
  );

  test.skipIf(process.env.LONG).each(LARGE)('%s is decoded and begun, %d×%d', async (name, width, height) => {
    await expectBegun(await readFile(fixture(name)), width, height);
  });

  test.each([
    ['formats/iphone7.heic', 'unsupported-media-type', /HEIC.*converted to JPEG/],
    ['formats/10bit-HDR-P3-nclx.avif', 'hdr-unsupported', /HDR \((PQ|HLG)/],
  ])('%s is refused as %s', async (name, code, detail) => {
    await expectRefused(await readFile(fixture(name)), code, detail);
  });
});

describe('made files', () => {
  const page: SampleDirectory = { width: 40, height: 30, samples: noise(40 * 30 * 3) };
  const thumbnail: SampleDirectory = { width: 8, height: 6, samples: noise(8 * 6 * 3), more: [[254, 4, [1]]] };
  const solid = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#a04020' } });

  test.each([
    ['1×1', 1, 1, () => solid(1, 1).png()],
    ['1×2000', 1, 2000, () => solid(1, 2000).png()],
    ['turned by EXIF', 20, 30, () => solid(30, 20).withMetadata({ orientation: 6 }).jpeg()],
    ['CMYK', 30, 20, () => solid(30, 20).toColourspace('cmyk').jpeg()],
    ['16-bit PNG', 30, 20, () => rawImage(new Uint16Array(1800).fill(40_000), 30, 20, 3).png()],
    ['palette PNG', 30, 20, () => solid(30, 20).png({ palette: true })],
    ['gray', 30, 20, () => rawImage(noise(600), 30, 20, 1).toColourspace('b-w').png()],
    ['with alpha', 30, 20, () => rawImage(noise(2400), 30, 20, 4).png()],
    ['GIF', 30, 20, () => solid(30, 20).gif()],
    ['TIFF', 30, 20, () => solid(30, 20).tiff()],
  ])('%s is restored', async (_name, width, height, make) => {
    await expectRestored(await make().toBuffer(), width, height);
  });

  test('a wrong Content-Type changes nothing: the bytes decide', async () => {
    const webp = await solid(12, 8).webp().toBuffer();
    expect(await expectRestored(webp, 12, 8)).toMatchObject({ input: { format: 'webp' } });
  });

  test('a truncated file fails, uncharged', async () => {
    const jpeg = await readFile(fixture('photos/13_phone_shoes.jpg'));
    await expectRefused(jpeg.subarray(0, jpeg.length / 2), 'image-unreadable', /jpeg.*damaged or cut off/);
    const png = await rawImage(noise(30_000), 100, 100, 3).png().toBuffer();
    await expectRefused(png.subarray(0, png.length - 5_000), 'image-unreadable', /png.*damaged or cut off/);
  });

  test('a bomb is refused by its header, before anything is decoded', async () => {
    await expectRefused(await bombPng(), 'image-too-large', /50000×50000 = 2500000000 .* 134217728/);
  });

  test.each<[string, () => Uint8Array | Promise<Uint8Array>, RegExp]>([
    [
      'camera RAW',
      () => tiffFile([{ ...page, photometric: 32803, bits: [16], samples: noise(40 * 30 * 2) }]),
      /camera RAW/,
    ],
    [
      'camera RAW behind a thumbnail',
      () => tiffFile([{ ...thumbnail, below: [{ ...page, photometric: 34892 }] }]),
      /RAW/,
    ],
    ['TIFF by ZSTD', () => tiffFile([{ ...page, compression: 50000 }]), /compressed by ZSTD/],
    ['TIFF of 12 bits', () => tiffFile([{ ...page, bits: [12, 12, 12] }]), /12 bits a sample/],
    ['JPEG XL', () => Buffer.from('\xff\x0a\xfa\x1f\x01', 'latin1'), /JPEG XL/],
    ['a film', () => Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp41', 'latin1'), /a film/],
  ])('%s is refused at submit by its content, before there is a job', async (_name, make, detail) => {
    const upload_id = await client.upload(new Uint8Array(await make()));
    const problem = await client.post<Problem>('/v1/jobs', { input: { upload_id } });
    expect(problem).toMatchObject({
      code: 'unsupported-media-type',
      status: 415,
      detail: expect.stringMatching(detail),
    });
    const quote = await client.post<Problem>('/v1/quotes', { input: { upload_id } });
    expect(quote).toMatchObject({ code: 'unsupported-media-type' });
  });

  test('the price is that of the picture that is restored', async () => {
    const tiff = tiffFile([thumbnail, page]);
    const job = await expectRestored(tiff, 40, 30);
    expect(job.notes?.join()).toMatch(/begins with a smaller picture; the photo of 40×30/);
  });

  test('damage is told with the result', async () => {
    const jpeg = await rawImage(noise(60 * 40 * 3), 60, 40, 3)
      .jpeg()
      .toBuffer();
    const job = await expectRestored(jpeg.subarray(0, jpeg.length - 2), 60, 40);
    expect(job.notes?.join()).toMatch(/The file is damaged: its end is missing/);
  });

  test('text is refused', async () => {
    await expectRefused(new TextEncoder().encode('This is no picture.'), 'unsupported-media-type', /accepted are jpeg/);
  });

  test('an empty file cannot even be announced', async () => {
    const problem = await client.post<Problem>('/v1/uploads', { bytes: 0, content_type: 'image/png' });
    expect(problem).toMatchObject({ code: 'invalid', status: 422, errors: [{ pointer: '#/bytes' }] });
  });

  test('a result that its format cannot hold is refused at submit, with the formats that can', async () => {
    const upload_id = await client.upload(new Uint8Array(await solid(1, 5000).png().toBuffer()));
    const problem = await client.post<Problem>('/v1/jobs', { input: { upload_id }, format: 'webp' });
    expect(problem).toMatchObject({ code: 'output-too-large', status: 422, errors: [{ pointer: '#/format' }] });
    expect(problem.detail).toMatch(/4×20000.*16383.*png, jpeg/);
  });

  const deepPhoto = () =>
    rawImage(
      Uint16Array.from({ length: 30 * 20 * 4 }, (_, index) => 20_000 + 7 * index),
      30,
      20,
      4,
    ).png();
  test.each<[object, string, string, [number, number], 'uchar' | 'ushort']>([
    [{ format: 'tif', scale: 1 }, 'tiff', 'tif', [30, 20], 'uchar'],
    [{ format: 'jpg', scale: 1.5 }, 'jpeg', 'jpg', [45, 30], 'uchar'],
    [{ format: 'tiff', bit_depth: 16, scale: 2 }, 'tiff', 'tif', [60, 40], 'ushort'],
    [{ bit_depth: 16, target: { height: 50 } }, 'png', 'png', [75, 50], 'ushort'],
    [{ format: 'avif', target: { megapixels: 0.0024 } }, 'avif', 'avif', [60, 40], 'uchar'],
  ])('%j is the result, and so called', async (asked, format, ending, [width, height], depth) => {
    const upload_id = await client.upload(new Uint8Array(await deepPhoto().toBuffer()));
    const { id } = await client.submit({ input: { upload_id }, model: 'real-esrgan-fast', ...asked });
    const job = await client.end(id, 20);
    expect(job).toMatchObject({ status: 'succeeded', output: { width, height } });
    const link = await client.json<{ url: string }>(`/v1/jobs/${id}/output_link`);
    const response = await fetch(link.url);
    expect(response.headers.get('content-disposition')).toContain(`${id}.${ending}"`);
    expect(response.headers.get('content-type')).toBe(`image/${format}`);
    const found = await sharp(await response.arrayBuffer()).metadata();
    expect(found).toMatchObject({ format: format === 'avif' ? 'heif' : format, width, height, depth });
    expect(found.hasAlpha).toBe(format !== 'jpeg');
  });

  test('after all that the worker is alive', async () => {
    await expectRestored(await solid(8, 8).png().toBuffer(), 8, 8);
  });
});
