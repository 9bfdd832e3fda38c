import { join } from 'node:path';
import { lpipsSqueezeMetric } from '../../../evaluation/metrics/lpips-squeeze.ts';
import type { PictureMetric } from '../../../evaluation/metrics/metric.ts';
import { buildPerceptual } from '../../../evaluation/metrics/perceptual-model.ts';
import { pictureTensor } from '../../../evaluation/metrics/picture-tensor.ts';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed } from '../computed.ts';
import type { Parity } from '../parity.ts';

const FILES = ['squeeze.backbone.pth', 'lpips_v0.1_squeeze.pth'];
/** Of a score by the weights that ship, which are rounded to fp16; about 0.1 is a visible difference. */
const SHIPPED_TOLERANCE = 1e-4;

/** LPIPS by the published files of SqueezeNet, and by what ships of them. */
export const parity: Parity = {
  place: 'metrics/lpips',
  uses: FILES,
  open: () => ({ kinds: { score }, [Symbol.asyncDispose]: async () => {} }),
};

async function score(recorded: RecordedCase): Promise<Computed> {
  const pictures: [Pixels, Pixels] = [await recorded.image('picture'), await recorded.image('reference')];
  const [image, reference] = pictures.map(pictureTensor);
  const paths = FILES.map((file) => join(recorded.folder, 'checkpoints', file));
  const session = await createSession(await buildPerceptual('lpips', paths, { probes: true }), 'cpu');
  const found = await session.run({ image: image!, reference: reference! });
  await session.release();
  const shipped = (await lpipsSqueezeMetric.open({ device: 'cpu' })) as PictureMetric;
  const actual = await shipped.measure(...pictures);
  await shipped.release();
  return {
    outputs: { score: { data: found.score!.data, shape: [1, 1] }, layers: { data: found.layers!.data, shape: [1, 7] } },
    facts: [{ name: 'shipped', actual, expected: recorded.parameters.score, tolerance: SHIPPED_TOLERANCE }],
  };
}
