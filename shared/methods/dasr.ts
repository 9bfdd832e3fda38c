import { onePass } from './one-pass.ts';

/** DASR (Liang et al. 2022): a network whose kernels are mixed for each photo, by a look at the whole of it. */
export const dasr = onePass({
  id: 'dasr',
  name: 'Adaptive (DASR)',
  description: 'Looks how blurred, noisy and compressed the photo is, and restores it as much as it needs. Quick.',
  license: 'Apache-2.0',
  weights: 'built',
  tileSizes: [256, 192, 128],
  // All that it sees: 33 pixels in the features of the photo's size, two in the enlarged ones. So tiles are exact.
  context: 35,
  price: 1_000,
  pace: 60,
});
