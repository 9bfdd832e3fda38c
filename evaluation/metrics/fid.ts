import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../gpu-worker/weights/unwrap.ts';
import { loadInception } from './fid-model.ts';
import { frechetDistance } from './frechet-distance.ts';
import { learned } from './learned.ts';

/** Heusel et al. 2017, in pyiqa's mode "clean". */
export const fidMetric = learned(
  {
    id: 'fid',
    label: 'FID',
    digits: 2,
    better: 'lower',
    looksAt: 'set',
    needs: {
      files: ['WEIGHTS'],
      from: 'github.com/mseitzer/pytorch-fid, releases: pt_inception-2015-12-05-6726825d.pth',
      license: "Apache-2.0 (TensorFlow's weights, unverified)",
    },
  },
  async ([file], device) => {
    await using checkpoint = unwrapped(await openCheckpoint(file!));
    const { run, release } = await loadInception(checkpoint, device);
    return {
      features: async (picture) => Float64Array.from((await run(picture)).features!.data),
      distance: frechetDistance,
      release,
    };
  },
);
