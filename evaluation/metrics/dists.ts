import { learned, openNetwork } from './learned.ts';
import { buildPerceptual } from './perceptual-model.ts';

export const distsMetric = learned(
  {
    id: 'dists',
    label: 'DISTS',
    digits: 4,
    better: 'lower',
    looksAt: 'pair',
    needs: {
      files: ['VGG', 'WEIGHTS'],
      from: 'torchvision: vgg16-397923af.pth; github.com/dingkeyan93/DISTS, DISTS_pytorch: weights.pt',
      license: 'BSD-3-Clause (torchvision), MIT',
    },
  },
  async (files, device) => await openNetwork('pair', await buildPerceptual('dists', files), files, device),
);
