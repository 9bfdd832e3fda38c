import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { compactShapes, esrganShapes, type Shapes } from './network-files.ts';
import { safetensorsBytes } from './weight-files.ts';

/** Small networks that hand the picture through, enlarged by repetition: results of others would be refused. */

const MODELS_CLI = fileURLToPath(new URL('../../gpu-worker/models-cli.ts', import.meta.url));
const run = promisify(execFile);

export const FAITHFUL_MODELS = {
  '1x-clean': { shapes: esrganShapes('Real-ESRGAN', { upsamplings: 0 }), license: 'MIT', title: 'A cleaner' },
  '2x-small': { shapes: esrganShapes('Real-ESRGAN', { upsamplings: 1 }), license: 'CC0-1.0', title: 'Twice' },
  '4x-usual': { shapes: esrganShapes('Real-ESRGAN'), license: 'Apache-2.0', title: 'Four times' },
  '8x-large': { shapes: esrganShapes('Real-ESRGAN', { upsamplings: 3 }), license: 'WTFPL', title: 'Eight times' },
  '2x-shuffled': {
    shapes: esrganShapes('Real-ESRGAN', { first: 12, features: 12 }),
    license: 'CC-BY-4.0',
    title: 'Unshuffled',
  },
  '4x-gray': { shapes: esrganShapes('Real-ESRGAN', { first: 1, out: 1 }), license: 'MIT', title: 'Of grays' },
  '2x-alpha': {
    shapes: esrganShapes('Real-ESRGAN', { first: 4, out: 4, upsamplings: 1 }),
    license: 'MIT',
    title: 'With opacity',
  },
  '3x-compact': { shapes: compactShapes({ last: 27 }), license: 'CC-BY-NC-SA-4.0', title: 'Not to be sold' },
} satisfies Record<string, { shapes: Shapes; license: string; title: string }>;

export type FaithfulName = keyof typeof FAITHFUL_MODELS;

/** As a person does it: `npm run models -- add`. */
export async function addFaithful(name: FaithfulName, modelsDirectory: string, folder: string, ...more: string[]) {
  const { shapes, license, title } = FAITHFUL_MODELS[name];
  const path = join(folder, `${name}.safetensors`);
  await writeFile(path, faithfulFile(shapes));
  const about = ['--license', license, '--title', title, '--models', modelsDirectory, ...more];
  return await run(process.execPath, [MODELS_CLI, 'add', name, '--weights', path, ...about]);
}

const LINE = /^(conv_(first|up\d|hr|last)|upconv\d|HRconv)\.weight$/;

/** A safetensors file in which layers in a line to the result give each channel on; layers that correct it are zero. */
export function faithfulFile(shapes: Shapes): Buffer {
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const values = new Array<number>(shape.reduce((product, size) => product * size, 1)).fill(0);
    const [to = 0, from = 0] = shape;
    if (LINE.test(name)) {
      // Of an unshuffled picture one of four.
      const step = name.startsWith('conv_last') && from === 12 ? 4 : 1;
      for (let channel = 0; channel < Math.min(to, from); channel++) {
        const place = (channel * from + channel * step) * 9 + 4;
        if (channel * step < from) values[place] = 1;
      }
    }
    return [name, { shape, values }] as const;
  });
  return safetensorsBytes(Object.fromEntries(tensors));
}
