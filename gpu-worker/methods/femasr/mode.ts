import type { Size } from '../../../shared/methods/method.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { RunOptions } from '../../vae/run-stage.ts';
import type { FemasrNetwork } from './network.ts';

/** All in which the product and the published script differ. */
export interface Mode {
  /** Of a picture. `onTile` may be called several times for each. */
  countTiles(picture: Size): number;
  /** [1, 3, h, w] 0..1, any h and w from 1 → [1, 3, 4h, 4w], not clamped. */
  enlarge(network: FemasrNetwork, picture: Tensor, options: RunOptions): Promise<Tensor>;
}
