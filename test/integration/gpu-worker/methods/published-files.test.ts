import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { engineOf } from '../../../../gpu-worker/methods/engines.ts';
import { fixture } from '../../../support/sample-images.ts';

/** Methods that are one published file each: the right one is taken by its content, every other is refused by name. */

const FILES = {
  bsrgan: 'BSRGAN.pth',
  bsrganTimesTwo: 'BSRGANx2.pth',
  ldl: 'net_g_RealESRGAN+LDL.pth',
  ldlTimesTwo: 'net_g_RealESRGAN+LDL_x2.pth',
};

async function plan(method: 'bsrgan' | 'ldl', file: string) {
  const engine = await engineOf(method);
  const paths = { [method]: join(fixture('rrdb/checkpoints'), file) };
  await using planned = await engine.build!.plan(paths, { dtype: 'fp16', device: 'cpu' });
  return { names: planned.networks.map(({ name }) => name), notice: planned.texts.get('LICENSES.md') };
}

describe.each(['bsrgan', 'ldl'] as const)('%s', (method) => {
  test('takes its own file, and says whose it is', async () => {
    const { names, notice } = await plan(method, FILES[method]);
    expect(names).toEqual(['network']);
    expect(notice).toMatch(/Apache-2\.0 \((BSRGAN|LDL), github\.com/);
  });

  test.each(Object.values(FILES).filter((file) => file !== FILES[method]))('refuses %s', async (file) => {
    const message = file.includes('x2')
      ? /is not .*: (scale|unit|names|inputChannels) of its network is/
      : /: names of its network is/;
    await expect(plan(method, file)).rejects.toThrow(message);
    await expect(plan(method, file)).rejects.toThrow(`${file} is not ${FILES[method]}`);
  });

  test('refuses a file that holds no weights', async () => {
    await expect(plan(method, 'none.pth')).rejects.toThrow(/none\.pth cannot be opened/);
    await expect(plan(method, '../README.md')).rejects.toThrow(/README\.md/);
  });
});
