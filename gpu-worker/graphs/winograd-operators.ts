import type { GraphBuilder, SymbolicShape, Value } from './onnx.ts';

/** G of F(4, 3): the transform of three taps of a kernel, at the points 0, 1, −1, 2, −2 and infinity. */
export const KERNEL_TRANSFORM = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

/** Channels of a block in ONNX Runtime's layout for CPUs; outside of it the transforms are slow. */
export const BLOCK_CHANNELS = 16;

/** A convolution of the values at one of the six points, with the rest of its inputs. */
type Product = (point: number, ...bias: Value[]) => Value;

/**
 * What the transforms of F(4, 3) are made of: convolutions, ReLU and sums of values of one size, for which ONNX Runtime
 * keeps its blocked layout on a CPU. It makes a sum a part of the convolution before it, but only where it knows that both
 * have the same size, and behind strides it does not: so `shape`, of a value of so many channels, is stated.
 */
export function winogradOperators(graph: GraphBuilder, shape: (channels: number) => SymbolicShape) {
  const factors = new Map<string, Value>();

  const node = (channels: number, operator: string, inputs: Value[], attributes = {}) =>
    graph.sized(graph.node(operator, inputs, attributes), shape(channels));
  const sum = (channels: number, a: Value, b: Value) => node(channels, 'Add', [a, b]);

  /** Every channel by itself: times a number, or the sum of two neighbors along the width of which `before` lie before. */
  function weighted(channels: number, value: Value, taps: number[], before = 0): Value {
    const key = `${channels}: ${taps}`;
    const size = [channels, 1, 1, taps.length];
    const values = Float32Array.from({ length: channels * taps.length }, (_, index) => taps[index % taps.length]!);
    const factor = factors.get(key) ?? graph.tensor(size, values);
    factors.set(key, factor);
    const pads = [0, before, 0, taps.length - 1 - before];
    return node(channels, 'Conv', [value, factor], { kernel_shape: [1, taps.length], group: channels, pads });
  }

  return {
    node,
    sum,
    weighted,
    /** Aᵀ: of the products at the six points, four results. A term that is added at the point 1 reaches all four: so does the bias. */
    combine(channels: number, product: Product, ...bias: Value[]): [Value, Value, Value, Value] {
      const add = (a: Value, b: Value) => sum(channels, a, b);
      const times = (value: Value, factor: number) => weighted(channels, value, [factor]);
      const [atOne, atMinusOne, atTwo, atMinusTwo] = [product(1, ...bias), product(2), product(3), product(4)];
      const even = add(atOne, atMinusOne);
      const odd = add(times(atMinusOne, -1), atOne);
      const evenAtTwo = add(atTwo, atMinusTwo);
      const oddAtTwo = add(times(atMinusTwo, -1), atTwo);
      return [
        add(product(0), add(even, evenAtTwo)),
        add(times(oddAtTwo, 2), odd),
        add(times(evenAtTwo, 4), even),
        add(product(5), add(times(oddAtTwo, 8), odd)),
      ];
    },
  };
}
