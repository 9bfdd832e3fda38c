import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../gpu-worker/weights/unwrap.ts';
import { learned } from './learned.ts';
import { drawnCrops } from './maniqa-crops.ts';
import { loadManiqa } from './maniqa-model.ts';
import type { OpenMetric } from './metric.ts';
import { pictureTensor } from './picture-tensor.ts';
import type { Protocol } from './protocol.ts';

const FACTS = { digits: 4, better: 'higher', looksAt: 'picture' } as const;
const LICENSE = 'Apache-2.0 (github.com/IIGROUP/MANIQA, unverified)';
const PYIQA = 'pyiqa (huggingface.co/chaofengc/IQA-PyTorch-Weights)';

/** Yang et al. 2022 with the weights of PIPAL, as in the paper. */
export const maniqaMetric = learned(
  {
    ...FACTS,
    id: 'maniqa',
    label: 'MANIQA',
    needs: {
      files: ['WEIGHTS'],
      from: `${PYIQA}: MANIQA_PIPAL-ae6d356b.pth (the paper); 20 crops a picture, minutes on a CPU`,
      license: LICENSE,
    },
  },
  async ([file], device, protocol) => await open(file!, device, 0.13, protocol),
);

/** The weights of KonIQ-10k have another scale, which their file does not tell; not in Table 2. */
export const maniqaKoniqMetric = learned(
  {
    ...FACTS,
    id: 'maniqa-koniq',
    label: 'MANIQA-KonIQ',
    needs: {
      files: ['WEIGHTS'],
      from: `${PYIQA}: ckpt_koniq10k.pt, or ckpt_kadid10k.pt`,
      license: LICENSE,
    },
  },
  async ([file], device, protocol) => await open(file!, device, 0.8, protocol),
);

async function open(file: string, device: Device, scale: number, { cropSeed: seed }: Protocol): Promise<OpenMetric> {
  await using checkpoint = unwrapped(await openCheckpoint(file));
  const { run, release } = await loadManiqa(checkpoint, device, { scale });
  const cropsOf = seed === undefined ? undefined : (width: number, height: number) => drawnCrops(width, height, seed);
  return { measure: async (result) => (await run(pictureTensor(result), cropsOf)).score, release };
}
