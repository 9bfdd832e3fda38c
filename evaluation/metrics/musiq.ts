import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../gpu-worker/weights/unwrap.ts';
import { learned } from './learned.ts';
import { loadMusiq } from './musiq-model.ts';
import { pictureTensor } from './picture-tensor.ts';

/** Ke et al. 2021, as pyiqa has it: 0 to 100. */
export const musiqMetric = learned(
  {
    id: 'musiq',
    label: 'MUSIQ',
    digits: 2,
    better: 'higher',
    looksAt: 'picture',
    needs: {
      files: ['WEIGHTS'],
      from: 'pyiqa (huggingface.co/chaofengc/IQA-PyTorch-Weights): musiq_koniq_ckpt-e95806b9.pth (the paper)',
      license: "Apache-2.0 (Google's weights, unverified)",
    },
  },
  async ([file], device) => {
    await using checkpoint = unwrapped(await openCheckpoint(file!));
    const { run, release } = await loadMusiq(checkpoint, device);
    return { measure: async (result) => (await run(pictureTensor(result))).score!.data[0]!, release };
  },
);
