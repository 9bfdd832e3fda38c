import { learned, openNetwork } from './learned.ts';
import { buildPerceptual } from './perceptual-model.ts';

export const lpipsMetric = learned(
  {
    id: 'lpips',
    label: 'LPIPS',
    digits: 4,
    better: 'lower',
    looksAt: 'pair',
    needs: {
      files: ['BACKBONE', 'WEIGHTS'],
      from:
        'torchvision: alexnet-owt-7be5be79.pth (the paper) or vgg16-397923af.pth; github.com/richzhang/' +
        'PerceptualSimilarity, lpips/weights/v0.1: alex.pth or vgg.pth',
      license: 'BSD-3-Clause (torchvision), BSD-2-Clause',
    },
  },
  async (files, device) => await openNetwork('pair', await buildPerceptual('lpips', files), files, device),
);
