import type { GraphBuilder, Value } from './onnx.ts';

/** How many columns one step of the algorithm gives. */
export const WINOGRAD_COLUMNS = 4;

/** The columns 4t + p of a picture whose width is a multiple of 4, for p = 0..3: each [batch, channels, h, w / 4]. */
export type Columns = readonly [Value, Value, Value, Value];

interface ConvolutionOptions {
  from: number;
  to: number;
}

/** G of F(4, 3): the transform of the three columns of a kernel, at the points 0, 1, −1, 2, −2 and infinity. */
const KERNEL_TRANSFORM = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

/**
 * Convolutions 3 × 3 that keep the size, padded with zeros, by Winograd's F(4, 3) along the width (Lavin and Gray 2015,
 * section 4): six multiplications for four columns instead of twelve. Columns lie apart, and all that is done to them is
 * convolution, ReLU or sum: for these ONNX Runtime keeps its blocked layout on a CPU. Along both axes the transforms
 * would move more memory than the multiplications save.
 */
export function createWinograd(graph: GraphBuilder) {
  const factors = new Map<string, Value>();

  /** Every channel by itself: times a number, or the sum of two neighbors of which `before` lie at t − 1. */
  function weighted(value: Value, channels: number, taps: number[], before = 0): Value {
    const key = `${channels}: ${taps}`;
    const shape = [channels, 1, 1, taps.length];
    const values = Float32Array.from({ length: channels * taps.length }, (_, index) => taps[index % taps.length]!);
    const factor = factors.get(key) ?? graph.tensor(shape, values);
    factors.set(key, factor);
    const pads = [0, before, 0, taps.length - 1 - before];
    return graph.node('Conv', [value, factor], { kernel_shape: [1, taps.length], group: channels, pads });
  }
  const sum = (a: Value, b: Value) => graph.node('Add', [a, b]);

  /** Bᵀ of F(4, 3): of the columns 4t − 1 .. 4t + 4, of which the first and the last are neighbors' columns. */
  function transform([first, second, third, fourth]: Columns, channels: number): Value[] {
    const times = (value: Value, factor: number) => weighted(value, channels, [factor]);
    const even = sum(times(second, -4), fourth);
    const odd = sum(times(first, -4), third);
    const evenAtTwo = sum(times(second, -1), fourth);
    const oddAtTwo = sum(times(first, -2), times(third, 2));
    return [
      sum(weighted(fourth, channels, [4, 1], 1), times(second, -5)),
      sum(even, odd),
      sum(times(odd, -1), even),
      sum(evenAtTwo, oddAtTwo),
      sum(times(oddAtTwo, -1), evenAtTwo),
      sum(weighted(first, channels, [4, 1]), times(third, -5)),
    ];
  }

  /** Gᵀ along the width of a kernel [to, from, 3, 3]: six of [to, from, 3, 1]. Folded when the model is loaded. */
  function transformKernel(kernel: Value): Value[] {
    const matrix = Float32Array.from(
      { length: 18 },
      (_, index) => KERNEL_TRANSFORM[index % 6]![Math.floor(index / 6)]!,
    );
    const transformed = graph.node('MatMul', [kernel, graph.tensor([3, 6], matrix)]);
    return graph.nodes('Split', [transformed, graph.integers([1, 1, 1, 1, 1, 1])], 6, { axis: 3 });
  }

  return {
    /** The same tensors and the same result as `convolution`, up to rounding, column by column. */
    convolution(columns: Columns, name: string, { from, to }: ConvolutionOptions): Columns {
      const seen = transform(columns, from);
      const kernels = transformKernel(graph.weight(`${name}.weight`, [to, from, 3, 3]));
      const bias = graph.weight(`${name}.bias`, [to]);
      const product = (point: number, ...rest: Value[]) => {
        const attributes = { kernel_shape: [3, 1], pads: [1, 0, 1, 0] };
        return graph.node('Conv', [seen[point]!, kernels[point]!, ...rest], attributes);
      };
      const times = (value: Value, factor: number) => weighted(value, to, [factor]);
      // Aᵀ of F(4, 3). A term that is added at the point 1 reaches all four columns: so does the bias.
      const [atOne, atMinusOne, atTwo, atMinusTwo] = [product(1, bias), product(2), product(3), product(4)];
      const even = sum(atOne, atMinusOne);
      const odd = sum(times(atMinusOne, -1), atOne);
      const evenAtTwo = sum(atTwo, atMinusTwo);
      const oddAtTwo = sum(times(atMinusTwo, -1), atTwo);
      return [
        sum(product(0), sum(even, evenAtTwo)),
        sum(times(oddAtTwo, 2), odd),
        sum(times(evenAtTwo, 4), even),
        sum(product(5), sum(times(oddAtTwo, 8), odd)),
      ];
    },
    /** A plain convolution 3 × 3 of [batch, from, h, w], where few channels make a transform not worth while. */
    columnsOf(input: Value, name: string, { from, to }: ConvolutionOptions): Columns {
      const kernel = graph.weight(`${name}.weight`, [to, from, 3, 3]);
      const bias = graph.weight(`${name}.bias`, [to]);
      const column = (position: number) => {
        const place = Float32Array.from({ length: 18 }, (_, index) =>
          Number((index % 6) - Math.floor(index / 6) === position),
        );
        const widened = graph.node('MatMul', [kernel, graph.tensor([3, 6], place)]);
        const attributes = { kernel_shape: [3, 6], strides: [1, WINOGRAD_COLUMNS], pads: [1, 1, 1, 1] };
        return graph.node('Conv', [input, widened, bias], attributes);
      };
      return [column(0), column(1), column(2), column(3)];
    },
    /** [batch, channels, h, w] as columns. */
    apart(input: Value, channels: number): Columns {
      const column = (position: number) => {
        const place = Array.from({ length: WINOGRAD_COLUMNS }, (_, at) => Number(at === position));
        const values = Float32Array.from({ length: channels * 4 }, (_, index) => place[index % 4]!);
        const attributes = { kernel_shape: [1, 4], strides: [1, WINOGRAD_COLUMNS], group: channels };
        return graph.node('Conv', [input, graph.tensor([channels, 1, 1, 4], values)], attributes);
      };
      return [column(0), column(1), column(2), column(3)];
    },
    /** x where positive, slope·x elsewhere, as x + (1 − slope)·relu(−x). `slopes`: one number a channel. */
    parametricRelu(columns: Columns, slopes: Value, channels: number): Columns {
      const axes = graph.integers([1, 2, 3]);
      const missing = graph.node('Unsqueeze', [graph.node('Sub', [graph.scalar(1), slopes]), axes]);
      const activated = (value: Value) => {
        const negative = graph.node('Relu', [weighted(value, channels, [-1])]);
        return sum(graph.node('Conv', [negative, missing], { kernel_shape: [1, 1], group: channels }), value);
      };
      const [first, second, third, fourth] = columns;
      return [activated(first), activated(second), activated(third), activated(fourth)];
    },
    /** Columns of c · scale² channels → [batch, c, scale · h, scale · w]: pixel shuffle, and the columns side by side. */
    shuffle(columns: Columns, channels: number, scale: number): Value {
      const size = graph.node('Shape', [columns[0]], { start: 2, end: 4 });
      const inner = graph.integers([-1, WINOGRAD_COLUMNS, channels, scale, scale]);
      const apart = graph.node('Concat', [inner, size], { axis: 0 });
      const value = graph.node('Reshape', [graph.node('Concat', [...columns], { axis: 1 }), apart]);
      // [batch, p, channel, scale, scale, h, t] → [batch, channel, h, scale, t, p, scale]
      const ordered = graph.node('Transpose', [value], { perm: [0, 2, 5, 3, 6, 1, 4] });
      const larger = graph.node('Mul', [size, graph.integers([scale, scale * WINOGRAD_COLUMNS])]);
      const whole = graph.node('Concat', [graph.integers([-1, channels]), larger], { axis: 0 });
      return graph.node('Reshape', [ordered, whole]);
    },
  };
}
