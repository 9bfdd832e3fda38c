import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { engineOf } from '../../../../../gpu-worker/methods/engines.ts';
import { femasr } from '../../../../../shared/methods/femasr.ts';
import { OWN_MODELS } from '../../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../../shared/parameters.ts';
import { gather } from '../../../../support/bands.ts';
import { buildMethod } from '../../../../support/build-method.ts';
import { writeRandomFemasr } from '../../../../support/random-femasr.ts';
import { noise } from '../../../../support/sample-images.ts';

test('FeMaSR of the published size is built in fp16, loaded, and runs one tile', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-femasr-'));
  try {
    const path = join(directory, 'FeMaSR_SRX4_model_g.safetensors');
    await writeRandomFemasr(path);
    await buildMethod('femasr', { femasr: path }, directory, 'fp16');
    const { size } = await stat(join(directory, 'femasr/network.onnx.data'));
    expect(size).toBeGreaterThan(34_059_971 * 2);
    const parameters = completeParameters(requestedParametersSchema.parse({ model: 'femasr' }), OWN_MODELS);
    const engine = await engineOf('femasr');
    const loaded = await engine.load(join(directory, 'femasr'), { device: 'cpu', parameters });
    const photo = { width: 13, height: 9, channels: 3, data: noise(3 * 13 * 9) } as const;
    const { bands } = await loaded.restore(photo, {
      parameters,
      published: false,
      tileSize: femasr.tileSizes[0],
      onProgress: () => {},
      signal: new AbortController().signal,
    });
    const picture = await gather(bands, photo);
    await loaded.release();
    expect([picture.width, picture.height]).toEqual([52, 36]);
    expect(new Set(picture.data).size).toBeGreaterThan(10);
  } finally {
    await rm(directory, { recursive: true });
  }
});
