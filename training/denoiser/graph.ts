import { stemGraph } from '../../gpu-worker/graphs/control-stem.ts';
import { controlledUnet } from '../../gpu-worker/graphs/controlled-unet.ts';
import { createGraphBuilder, type Graph, type GraphOptions } from '../../gpu-worker/graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../gpu-worker/graphs/unet-conditions.ts';
import type { seesrDenoiser } from '../../gpu-worker/methods/seesr/denoiser-config.ts';
import { joinGraphs, withTrained } from '../join-graphs.ts';
import { addLora, type LoraLayer } from '../lora-layers.ts';

interface DenoiserGraphOptions extends Pick<GraphOptions, 'probes'> {
  /** Which tensors of the checkpoints are trained, and so inputs. */
  isTrained?: (name: string) => boolean;
  /** Layers that get a low-rank update. */
  layers?: readonly LoraLayer[];
}

/**
 * One item of the denoiser's training (Wu et al. 2024, section 3.3): the four graphs of the product as one, and the mean
 * squared error of the predicted noise. Inputs are theirs, `latent` the noised one, and `noise` [1, 4, h, w] → `loss` [].
 */
export function denoiserTrainingGraph(config: ReturnType<typeof seesrDenoiser>, options: DenoiserGraphOptions): Graph {
  const { isTrained = () => false, layers = [], probes } = options;
  const parts = [
    stemGraph(config.controlNet, { prefix: '/stem' }),
    timeGraph(config, { prefix: '/time' }),
    contextGraph(config, { prefix: '/context' }),
    controlledUnet(config, { prefix: '/denoiser', ...(probes && { probes }) }),
    noiseLoss(config.unet.out_channels),
  ];
  const graph = withTrained(joinGraphs('denoiser training', parts), isTrained);
  addLora(graph, layers);
  return graph;
}

/** The tensors that the published training changes: all of ControlNet, and SeeSR's own attention in the UNet. */
export function isPublishedlyTrained(name: string): boolean {
  return name.startsWith('controlnet.') || name.includes('.image_attentions.');
}

function noiseLoss(channels: number): Graph {
  const graph = createGraphBuilder('loss', { prefix: '/loss' });
  const shape = ['batch', channels, 'height', 'width'];
  const [eps, noise] = ['eps', 'noise'].map((name) => graph.input(name, shape)) as [string, string];
  const difference = graph.node('Sub', [eps, noise]);
  const square = graph.node('Mul', [difference, difference]);
  graph.output('loss', graph.node('ReduceMean', [square], { keepdims: 0 }), []);
  return graph.build();
}
