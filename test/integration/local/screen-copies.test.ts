import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type JobRequest } from 'seesr-cloud/client';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../../local/config.ts';
import { type Service, startService } from '../../../local/service.ts';
import { createLog } from '../../../shared/log.ts';
import { fixture } from '../../support/sample-images.ts';

/** A result that browsers cannot show has a picture that they can, made by the service. */

let directory: string;
let service: Service;
let client: ReturnType<typeof createClient>;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-screen-copies-'));
  const settings = { PORT: '0', DEVICE: 'cpu', DATA_DIR: directory, MODELS_DIR: join(directory, 'models'), HEIC: 'on' };
  service = await startService(
    readConfig({ ...settings, RATE_LIMITS: 'off' }),
    createLog('silent', () => {}),
  );
  client = createClient({ baseUrl: service.url, key: service.firstKey! });
});
afterAll(async () => {
  await service?.close();
  await rm(directory, { recursive: true, force: true });
});

const [WIDTH, HEIGHT] = [40, 24];
/** Left red, right blue; the lower half as transparent as `alpha` says. */
function colors(alpha = 255): Buffer {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 4);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const color = x < WIDTH / 2 ? [200, 40, 40] : [40, 40, 200];
      pixels.set([...color, y < HEIGHT / 2 ? 255 : alpha], (y * WIDTH + x) * 4);
    }
  }
  return pixels;
}
const picture = (alpha?: number) => sharp(colors(alpha), { raw: { width: WIDTH, height: HEIGHT, channels: 4 } });

/** No network runs. */
async function restore(file: Uint8Array, more: Omit<JobRequest, 'input'> = {}) {
  const bytes = new Uint8Array(file);
  return client.restore(bytes, { model: 'real-esrgan-fast', fidelity: 1, scale: 1, ...more });
}

async function pixelsOf(file: Blob) {
  const copy = sharp(await file.arrayBuffer());
  const { format, icc } = await copy.metadata();
  const { data, info } = await copy.ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [
    ...data.subarray((Math.floor(y * info.height) * info.width + Math.floor(x * info.width)) * 4).subarray(0, 4),
  ];
  return { format, hasProfile: icc !== undefined, size: [info.width, info.height], at };
}

test.each([
  [
    'RGB',
    async () => picture().removeAlpha().tiff({ compression: 'deflate' }).toBuffer(),
    [200, 40, 40, 255],
    [40, 40, 200, 255],
  ],
  [
    'with transparency',
    async () => picture(128).tiff({ compression: 'deflate' }).toBuffer(),
    [200, 40, 40, 255],
    [40, 40, 200, 128],
  ],
  [
    'turned',
    async () =>
      picture().removeAlpha().rotate(270).withMetadata({ orientation: 6 }).tiff({ compression: 'deflate' }).toBuffer(),
    [200, 40, 40, 255],
    [40, 40, 200, 255],
  ],
  [
    'gray, 16 bits',
    async () =>
      picture()
        .removeAlpha()
        .linear(0, 90)
        .greyscale()
        .toColourspace('grey16')
        .tiff({ compression: 'deflate' })
        .toBuffer(),
    [90, 90, 90, 255],
    [90, 90, 90, 255],
  ],
] as const)('of a TIFF, %s: the same picture, upright', async (_kind, make, topLeft, bottomRight) => {
  const { job } = await restore(await make());
  const file = await client.photoWebp(job.id);
  expect(job.photo_webp).toMatchObject({ width: WIDTH, height: HEIGHT, bytes: file.size });
  const { format, size, at } = await pixelsOf(file);
  expect([format, size]).toEqual(['webp', [WIDTH, HEIGHT]]);
  for (const [found, wanted] of [
    [at(0.2, 0.2), topLeft],
    [at(0.8, 0.8), bottomRight],
  ] as const) {
    for (const [index, value] of wanted.entries()) expect(Math.abs(found[index]! - value)).toBeLessThan(8);
  }
});

test('of a HEIC, turned and in the colors of its profile', async () => {
  const { job } = await restore(await readFile(fixture('formats/turned-p3.heic')));
  const { size, hasProfile } = await pixelsOf(await client.photoWebp(job.id));
  expect(size).toEqual([job.input!.width, job.input!.height]);
  expect(hasProfile).toBe(true);
});

test('of a part that is tried: that part', async () => {
  const part = { x: 20, y: 0, width: 16, height: 16 };
  const { job } = await restore(await picture().removeAlpha().tiff({ compression: 'deflate' }).toBuffer(), {
    preview: part,
  });
  const { size, at } = await pixelsOf(await client.photoWebp(job.id));
  expect(size).toEqual([16, 16]);
  expect(at(0.5, 0.5)[2]).toBeGreaterThan(180);
});

test('of a large one: no larger than a screen needs, with its profile', async () => {
  const create = { width: 4400, height: 22, channels: 3, background: '#3060a0' } as const;
  const wide = await sharp({ create }).withIccProfile('p3').tiff({ compression: 'deflate' }).toBuffer();
  const { job } = await restore(wide);
  expect(job.photo_webp).toMatchObject({ width: 4096, height: 20 });
  expect((await pixelsOf(await client.photoWebp(job.id))).hasProfile).toBe(true);
});

test.each([8, 16] as const)('of a result that is a TIFF of %i bits: the same picture', async (bits) => {
  const { job } = await restore(await picture(128).png().toBuffer(), { format: 'tiff', bit_depth: bits });
  expect(job).not.toHaveProperty('photo_webp');
  const file = await client.outputWebp(job.id);
  expect(job.output_webp).toMatchObject({ width: WIDTH, height: HEIGHT, bytes: file.size });
  const { format, at } = await pixelsOf(file);
  expect(format).toBe('webp');
  for (const [found, wanted] of [
    [at(0.2, 0.2), [200, 40, 40, 255]],
    [at(0.8, 0.8), [40, 40, 200, 128]],
  ] as const) {
    for (const [index, value] of wanted.entries()) expect(Math.abs(found[index]! - value)).toBeLessThan(8);
  }
});

test('a picture that browsers show has no copy, and a copy is erased with the rest', async () => {
  const { job } = await restore(await picture().jpeg().toBuffer());
  expect(job).not.toHaveProperty('photo_webp');
  expect(job).not.toHaveProperty('output_webp');
  await expect(client.photoWebp(job.id)).rejects.toMatchObject({ problem: { code: 'no-output' } });

  const { job: scan } = await restore(await picture().removeAlpha().tiff({ compression: 'deflate' }).toBuffer());
  const folder = join(directory, 'objects/out');
  const files = async () => (await readdir(folder, { recursive: true })).filter((name) => name.includes(scan.id));
  expect((await files()).filter((name) => name.endsWith('.webp'))).toHaveLength(1);
  await client.erase(scan.id);
  expect(await files()).toEqual([]);
  await expect(client.photoWebp(scan.id)).rejects.toMatchObject({ problem: { code: 'gone' } });
});
