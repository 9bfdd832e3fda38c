import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { isUpdatedProjection } from '../../gpu-worker/methods/seesr/denoiser-lora.ts';
import type { LoraLayer } from '../lora-layers.ts';

/** The projections of attention that get updates of a rank, as B·A without a factor: 240 of the published SeeSR. */
export function denoiserLoraLayers({ weights }: Graph, rank: number): LoraLayer[] {
  return [...weights].flatMap(([weight, shape]): LoraLayer[] => {
    const name = weight.replace(/\.weight$/, '');
    if (name === weight || !isUpdatedProjection(name)) return [];
    const [to, from] = shape as [number, number];
    return [{ name, from, to, rank, scale: 1 }];
  });
}
