import { bsrgan } from '../../../shared/methods/bsrgan.ts';
import { onePassEngine } from '../one-pass-engine.ts';

export const bsrganEngine = onePassEngine(bsrgan, {
  source: {
    option: 'bsrgan',
    about: 'BSRGAN.pth',
    license: 'Apache-2.0 (BSRGAN, github.com/cszn/BSRGAN)',
  },
  names: 'RRDB_trunk',
});
