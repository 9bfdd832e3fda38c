import { ldl } from '../../../shared/methods/ldl.ts';
import { onePassEngine } from '../one-pass-engine.ts';

export const ldlEngine = onePassEngine(ldl, {
  source: {
    option: 'ldl',
    about: 'net_g_RealESRGAN+LDL.pth',
    license: 'Apache-2.0 (LDL, github.com/csjliang/LDL)',
  },
  names: 'Real-ESRGAN',
  // The published options ask for it, and not for the moving average beside it.
  container: 'params',
});
