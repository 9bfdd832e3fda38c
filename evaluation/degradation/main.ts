import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeImage } from '../../gpu-worker/images/decode.ts';
import { encodeImage } from '../../gpu-worker/images/encode.ts';
import { runCommand, usageError, wholeNumber } from '../../shared/adapters/node/command.ts';
import type { Values } from '../../shared/adapters/node/command-line.ts';
import { readLimits } from '../../shared/configuration.ts';
import { AppError } from '../../shared/error.ts';
import { MODEL_SCALE } from '../../shared/methods/tile-plan.ts';
import { findPictures } from '../pairs.ts';
import { cutPlane } from '../plane.ts';
import { degradePicture, sharpenPicture } from './degrade-picture.ts';
import { type Degradation, drawDegradation } from './draw.ts';
import type { Picture } from './jpeg.ts';
import { createRandom } from './random.ts';
import { toPicture } from './to-picture.ts';

/** Of a seed, and of the side of a part. */
const MOST = 999_999_999;

const OPTIONS = {
  hr: { value: 'DIR', about: 'the good pictures' },
  out: { value: 'DIR', about: 'where hr/, lr/ and degradations.json go' },
  seed: { value: 'N', about: 'same seed, same bytes', default: '0' },
  crop: { value: 'N', about: `a part of N×N pixels of each picture, drawn too; N is a multiple of ${MODEL_SCALE}` },
  sharpen: { about: 'sharpen the good ones first, as the training does' },
} as const;

async function degrade(values: Values<typeof OPTIONS>): Promise<void> {
  const { hr, out } = values;
  if (!hr || !out) throw usageError('--hr and --out are needed');
  const seed = wholeNumber('seed', values.seed, MOST);
  const crop = values.crop === undefined ? undefined : wholeNumber('crop', values.crop, MOST);
  const [truthDirectory, poorDirectory] = [join(out, 'hr'), join(out, 'lr')];
  for (const directory of [truthDirectory, poorDirectory]) await mkdir(directory, { recursive: true });
  const limits = readLimits(process.env);
  const drawn: Record<string, Degradation> = {};
  for (const [name, path] of await findPictures(hr)) {
    const random = createRandom(seed, name);
    const { pixels } = await decodeImage(path, limits);
    let truth = cropPicture(name, toPicture(pixels), crop, random.uniform(), random.uniform());
    if (values.sharpen) truth = sharpenPicture(truth);
    const degradation = drawDegradation(random);
    drawn[name] = degradation;
    await write(join(truthDirectory, `${name}.png`), truth);
    await write(join(poorDirectory, `${name}.png`), degradePicture(truth, degradation, random));
    process.stderr.write(`${name}\n`);
  }
  await writeFile(join(out, 'degradations.json'), `${JSON.stringify({ seed, pictures: drawn }, null, 2)}\n`);
}

/** Where the part lies is given in 0..1. */
function cropPicture(name: string, picture: Picture, crop: number | undefined, across: number, down: number): Picture {
  const { width, height } = picture[0];
  const [newWidth, newHeight] = crop === undefined ? [width, height] : [crop, crop];
  const fits = newWidth > 0 && newWidth <= width && newHeight <= height;
  if (!fits || newWidth % MODEL_SCALE !== 0 || newHeight % MODEL_SCALE !== 0) {
    throw new AppError(
      'invalid',
      `${name} has ${width}×${height} pixels, taken would be ${newWidth}×${newHeight}: it must fit, and be a multiple of ${MODEL_SCALE} (see --crop).`,
    );
  }
  const left = Math.floor(across * (width - newWidth + 1));
  const top = Math.floor(down * (height - newHeight + 1));
  const cut = (index: 0 | 1 | 2) => cutPlane(picture[index], left, top, newWidth, newHeight);
  return [cut(0), cut(1), cut(2)];
}

async function write(path: string, picture: Picture): Promise<void> {
  const { width, height } = picture[0];
  const data = new Uint8Array(width * height * 3);
  for (const [channel, plane] of picture.entries()) {
    for (let i = 0; i < plane.data.length; i++) {
      data[i * 3 + channel] = Math.round(255 * Math.min(1, Math.max(0, plane.data[i]!)));
    }
  }
  const options = { width, height, format: 'png', quality: 100, metadata: 'strip' } as const;
  await encodeImage(path, { width, height, channels: 3, data }, undefined, {}, options);
}

runCommand({
  name: 'degrade',
  usage: ['--hr DIR --out DIR [options]'],
  about: `
Makes poor photos from good ones, a quarter of their size, as the training of SeeSR does: blur, resampling, noise and
JPEG, twice, and a sinc filter. Writes hr/ and lr/ for "seesr evaluate", and degradations.json with all that was drawn.`,
  options: OPTIONS,
  run: degrade,
});
