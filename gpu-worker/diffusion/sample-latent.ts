import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import type { Savepoint, Savepoints } from '../restore/restorer.ts';
import type { Scheduler } from '../schedulers/scheduler.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { blendTiles, cutTile, type LatentTile } from '../tiling/latent-tiles.ts';

/** How sampling is watched and stopped. */
export interface Watch {
  /** Looked at between tiles; an abort makes the call reject with its reason. */
  signal: AbortSignal;
  /** `step` counts from 1; `tile` is how many of the step are done. */
  onTile?: (at: { step: number; steps: number; tile: number; tiles: number }) => void;
  /** The latent after each step, which counts from 1; `expectClean`: the clean one that the network now expects. */
  onStep?: (latent: Tensor, step: number, expectClean: () => Tensor) => void;
}

export interface Sampling {
  /** Of the latent, [1, channels, h, w]. */
  shape: readonly number[];
  scheduler: Scheduler;
  /** The latent before the first step, or after those that an earlier attempt has done. */
  start: Savepoint;
  tiles: readonly LatentTile[];
  /**
   * The prediction of the network at step `index` of a tile, whose part of the latent is `latent`: [1, channels, h, w]
   * in the terms of the scheduler, or the input from which `guide` makes that.
   */
  predict: (tile: LatentTile, latent: Tensor, index: number) => Promise<Tensor>;
  /** From the predictions of all tiles, blended, to the one that the scheduler takes; absent: as they are. */
  guide?: (predictions: Tensor, index: number) => Float32Array;
  /** Normal noise, as long as the latent; keyed by the step, so that the result does not tell where sampling went on. */
  drawNoise: (index: number) => Float32Array;
  /** After every step but the last. */
  save?: Savepoints['save'];
  watch: Watch;
}

/** From the start to a clean latent: all steps that are left, each over all tiles. */
export async function sampleLatent(sampling: Sampling): Promise<Tensor> {
  const { shape, scheduler, start, tiles, predict, guide, drawNoise, save } = sampling;
  const { signal, onTile, onStep } = sampling.watch;
  const steps = scheduler.timesteps.length;
  let { state } = start;
  for (let index = start.step; index < steps; index++) {
    const { sample } = state;
    onTile?.({ step: index + 1, steps, tile: 0, tiles: tiles.length });
    const predictions = await blendTiles(tiles, async (tile, position) => {
      await eventLoopTurn();
      signal.throwIfAborted();
      const latent = { data: sample, shape };
      const part = await predict(tile, tiles.length === 1 ? latent : cutTile(latent, tile), index);
      onTile?.({ step: index + 1, steps, tile: position + 1, tiles: tiles.length });
      return part;
    });
    const prediction = guide ? guide(predictions, index) : predictions.data;
    state = scheduler.step({ state, index, prediction, drawNoise: () => drawNoise(index) });
    if (index + 1 < steps) save?.({ step: index + 1, state });
    const expectClean = () => ({ data: scheduler.expectClean({ sample, index, prediction }), shape });
    onStep?.({ data: state.sample, shape }, index + 1, expectClean);
  }
  return { data: state.sample, shape };
}
