import { convolution, nearestUpsampling } from '../../graphs/convolution.ts';
import { groupNorm, linear, silu } from '../../graphs/layers.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from '../../graphs/onnx.ts';
import type { UnetSizes } from './config.ts';
import { swinLayer } from './swin-layer.ts';
import { type Block, type Residual, residualsOf, unetLayout } from './unet-layout.ts';

/**
 * `sinusoids` [steps, C] of the timesteps, C the channels of the model → `time` [steps, sum of 2 · channels]: scale and
 * shift of every residual block, side by side. They do not depend on the latent.
 */
export function timeGraph(sizes: UnetSizes, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('time', options);
  const from = sizes.model_channels;
  const size = 4 * from;
  const sinusoids = graph.input('sinusoids', ['steps', from]);
  const hidden = silu(graph, linear(graph, sinusoids, 'time_embed.0', { from, to: size }));
  const embedding = silu(graph, linear(graph, hidden, 'time_embed.2', { from: size, to: size }));
  const parts = residualsOf(unetLayout(sizes)).map(({ name, to }) =>
    linear(graph, embedding, `${name}.emb_layers.1`, { from: size, to: 2 * to }),
  );
  graph.output('time', graph.node('Concat', parts, { axis: -1 }), ['steps', 'time']);
  return graph.build();
}

/**
 * The UNet of ResShift (Yue et al. 2023): `latent` [1, 3, h, w], of deviation 1, `photo` [1, 3, h, w], −1..1, a
 * pixel for each position of the latent, and `time` [1, ..], one row of the time graph → `clean` [1, 3, h, w]. Sides are
 * multiples of the window at the coarsest level.
 */
export function unetGraph(sizes: UnetSizes, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('unet', options);
  const { in_channels, out_channels, model_channels, norm_groups: groups, norm_eps: epsilon } = sizes;
  const { input, middle, output } = unetLayout(sizes);
  const latent = graph.input('latent', [1, out_channels, 'height', 'width']);
  const photo = graph.input('photo', [1, in_channels - out_channels, 'height', 'width']);
  const times = unpackTimes(graph, residualsOf({ input, middle, output }));
  const run = (value: Value, block: Block) => runBlock(graph, value, block, times, { groups, epsilon });

  const both = graph.node('Concat', [latent, photo], { axis: 1 });
  let value = convolution(graph, both, 'input_blocks.0.0', { from: in_channels, to: model_channels });
  graph.probe('input_blocks.0', value);
  const features = [value];
  for (const block of input) {
    value = run(value, block);
    features.push(value);
  }
  value = run(value, middle);
  for (const block of output) value = run(graph.node('Concat', [value, features.pop()!], { axis: 1 }), block);
  const normal = groupNorm(graph, value, 'out.0', { channels: model_channels, groups, epsilon });
  const from = output.at(-1)!.residual!.to;
  const clean = convolution(graph, silu(graph, normal), 'out.2', { from, to: out_channels });
  graph.output('clean', clean, [1, out_channels, 'height', 'width']);
  return graph.build();
}

type Times = ReadonlyMap<string, readonly [scale: Value, shift: Value]>;

/** [1, channels, 1, 1] by the name of the residual block. */
function unpackTimes(graph: GraphBuilder, residuals: readonly Residual[]): Times {
  const sizes = residuals.flatMap(({ to }) => [to, to]);
  const packed = graph.input('time', [1, sizes.reduce((sum, size) => sum + size, 0)]);
  const parts = graph
    .nodes('Split', [packed, graph.integers(sizes)], sizes.length, { axis: -1 })
    .map((part) => graph.node('Reshape', [part, graph.integers([1, -1, 1, 1])]));
  return new Map(residuals.map(({ name }, index) => [name, [parts[2 * index]!, parts[2 * index + 1]!]]));
}

interface Norms {
  groups: number;
  epsilon: number;
}

function runBlock(graph: GraphBuilder, input: Value, block: Block, times: Times, norms: Norms): Value {
  const { name, residual, swin, last, down, up } = block;
  let value = input;
  if (residual) value = residualBlock(graph, value, residual, times, norms);
  if (swin) value = swinLayer(graph, value, swin);
  if (last) value = residualBlock(graph, value, last, times, norms);
  if (down) value = convolution(graph, value, down.name, { from: down.channels, to: down.channels, stride: 2 });
  if (up) {
    const large = nearestUpsampling(graph, value, 2);
    value = convolution(graph, large, up.name, { from: up.channels, to: up.channels });
  }
  graph.probe(name, value);
  return value;
}

/** That of Dhariwal & Nichol 2021, whose second norm is scaled and shifted by the time ("adaptive group normalization"). */
function residualBlock(
  graph: GraphBuilder,
  input: Value,
  { name, from, to }: Residual,
  times: Times,
  norms: Norms,
): Value {
  const [scale, shift] = times.get(name)!;
  const before = silu(graph, groupNorm(graph, input, `${name}.in_layers.0`, { channels: from, ...norms }));
  const first = convolution(graph, before, `${name}.in_layers.2`, { from, to });
  const normal = groupNorm(graph, first, `${name}.out_layers.0`, { channels: to, ...norms });
  const scaled = graph.node('Mul', [normal, graph.node('Add', [scale, graph.scalar(1)])]);
  const timed = silu(graph, graph.node('Add', [scaled, shift]));
  const second = convolution(graph, timed, `${name}.out_layers.3`, { from: to, to });
  const shortcut = from === to ? input : convolution(graph, input, `${name}.skip_connection`, { from, to, kernel: 1 });
  return graph.node('Add', [shortcut, second]);
}
