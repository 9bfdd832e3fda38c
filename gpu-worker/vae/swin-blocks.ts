import type { GraphBuilder, Value } from '../graphs/onnx.ts';
import { type Division, swinBlock, windowMask } from '../graphs/swin.ts';
import { planWindows, relativePositions } from '../graphs/swin-windows.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Step, type SwinStep, scaleOf, shiftOf } from './steps.ts';

/** The blocks of a `swin` step: [1, channels, h, w] as before; sides are multiples of the window. */
export function swinBlocks(
  graph: GraphBuilder,
  input: Value,
  { name, blocks, ...step }: SwinStep,
  divisions: readonly Division[],
): Value {
  const planes = graph.node('Reshape', [input, graph.integers([step.channels, -1])]);
  let tokens = graph.node('Transpose', [planes], { perm: [1, 0] });
  const stage = { ...step, relative: graph.integers(relativePositions(step.window)) };
  for (let block = 0; block < blocks; block++) {
    tokens = swinBlock(graph, tokens, `${name}.blocks.${block}`, stage, divisions[block % 2]!);
    graph.probe(`${name}.blocks.${block}`, tokens);
  }
  const result = graph.node('Transpose', [tokens], { perm: [1, 0] });
  return graph.node('Reshape', [result, graph.node('Shape', [input])]);
}

/**
 * The windows of even blocks and of odd ones, as inputs of the graph: so it takes maps of any size, one size a call.
 * Undefined for steps without any. Numbers of tokens come in fp32, which holds them up to 2^24.
 */
export function divisionInputs(graph: GraphBuilder, steps: readonly Step[]): Division[] | undefined {
  const found = windowsOf(steps);
  if (!found) return undefined;
  const part = (name: string) => graph.toInteger(graph.wideInput(name, ['tokens']));
  const [straight, shifted] = [0, 1].map((block) => ({
    order: part(`order.${block}`),
    inverse: part(`inverse.${block}`),
  })) as [Division, Division];
  return [straight, { ...shifted, mask: windowMask(graph, part('regions.1'), -1, found.window ** 2) }];
}

/** These inputs for a graph of the steps. `shape` [1, c, h, w]: of its input. */
export function windowInputs(steps: readonly Step[], { shape }: Pick<Tensor, 'shape'>): Record<string, Tensor> {
  const found = windowsOf(steps);
  if (!found) return {};
  const [height, width] = shape.slice(2).map((side) => side * found.scale) as [number, number];
  const inputs: Record<string, Tensor> = {};
  for (const block of [0, 1]) {
    const { order, inverse, regions } = planWindows({ height, width }, found.window, shiftOf(block, found.window));
    for (const [name, list] of Object.entries({ order, inverse, ...(block === 1 && { regions }) })) {
      inputs[`${name}.${block}`] = { data: Float32Array.from(list), shape: [list.length] };
    }
  }
  return inputs;
}

/** All that the steps have are of one map. */
function windowsOf(steps: readonly Step[]): { window: number; scale: number } | undefined {
  let scale = 1;
  for (const step of steps) {
    if (step.kind === 'swin') return { window: step.window, scale };
    scale *= scaleOf(step);
  }
  return undefined;
}
