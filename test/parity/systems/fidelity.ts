import { z } from 'zod';
import { pyiqaContrast } from '../../../evaluation/metrics/natural-statistics.ts';
import { niqe, niqeMetric, readPristineModel } from '../../../evaluation/metrics/niqe.ts';
import { PROTOCOLS } from '../../../evaluation/metrics/protocol.ts';
import { PYIQA_ERROR, psnr } from '../../../evaluation/metrics/psnr.ts';
import { pyiqaSsim } from '../../../evaluation/metrics/ssim.ts';
import { fullLuminance, luminance, type Plane, withoutBorder } from '../../../evaluation/plane.ts';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { tiledPicture } from '../compute/tiled-picture.ts';
import type { Computed, Fact } from '../computed.ts';
import type { Parity } from '../parity.ts';

/** PSNR, SSIM and NIQE as pyiqa computes them. */
export const parity: Parity = {
  place: 'metrics/fidelity',
  open: () => ({ kinds: { pair, grey }, [Symbol.asyncDispose]: async () => {} }),
};

/** Absolute, of the set; its README says why. */
const TOLERANCES: Readonly<Record<string, number>> = { psnr: 1e-4, ssim: 1e-6, niqe: 2e-3 };
const parametersSchema = z.object({ values: z.record(z.string(), z.number()) });

const SPACES: Readonly<Record<string, (picture: Pixels) => Plane>> = {
  ycbcr: luminance,
  yiq: fullLuminance,
  rgb: stacked,
};

/** All channels one below another. */
function stacked({ width, height, channels, data }: Pixels): Plane {
  return { width, height: height * channels, data: Float64Array.from(data) };
}

/** Names of values: metric, color space, border, and whose. */
async function pair(recorded: RecordedCase): Promise<Computed> {
  const pristine = await readPristineModel();
  const pictures = { picture: await tiledPicture(recorded), truth: await tiledPicture(recorded, 'truth') };
  const facts = Object.entries(parametersSchema.parse(recorded.parameters).values).map(([name, expected]): Fact => {
    const [metric, space, border = 'border0', of = 'picture'] = name.split('_') as [string, string, string?, string?];
    const plane = (whose: keyof typeof pictures) => {
      return withoutBorder(SPACES[space]!(pictures[whose]), Number(border.slice('border'.length)));
    };
    const compute: Record<string, () => number | undefined> = {
      psnr: () => psnr(plane('picture'), plane('truth'), PYIQA_ERROR),
      ssim: () => pyiqaSsim(plane('picture'), plane('truth')),
      niqe: () => niqe(plane(of as keyof typeof pictures), pristine, pyiqaContrast),
    };
    return { name, actual: compute[metric]!(), expected, tolerance: TOLERANCES[metric]! };
  });
  return { outputs: {}, facts };
}

/** One channel, and the same as three. */
async function grey(recorded: RecordedCase): Promise<Computed> {
  const { values } = parametersSchema.parse(recorded.parameters);
  const picture = await tiledPicture(recorded);
  const three = {
    ...picture,
    channels: 3,
    data: Uint8Array.from({ length: 3 * picture.data.length }, (_, i) => picture.data[Math.floor(i / 3)]!),
  } as const;
  const metric = await niqeMetric.open({ protocol: PROTOCOLS.paper });
  const facts: Fact[] = [];
  for (const [name, given] of [['niqe', picture] as const, ['niqe_as_three_channels', three] as const]) {
    facts.push({
      name,
      actual: await metric.measure(given, given),
      expected: values[name],
      tolerance: TOLERANCES.niqe!,
    });
  }
  return { outputs: {}, facts };
}
