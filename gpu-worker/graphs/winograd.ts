import type { GraphBuilder, Value } from './onnx.ts';
import { KERNEL_TRANSFORM, winogradOperators } from './winograd-operators.ts';

/** How many columns one step of the algorithm gives. */
export const WINOGRAD_COLUMNS = 4;

/** The columns 4t + p of a picture whose width is a multiple of 4, for p = 0..3: each [batch, channels, h, w / 4]. */
export type Columns = readonly [Value, Value, Value, Value];

/** What convolutions see of columns, at the six points: each [batch, channels, h, w / 4]. */
type Seen = readonly Value[];

interface ConvolutionOptions {
  from: number;
  to: number;
  /** Of the result. Default: 1. */
  scale?: number;
}

/**
 * Convolutions 3 × 3 that keep the size, padded with zeros, by Winograd's F(4, 3) along the width (Lavin and Gray 2015,
 * section 4): six multiplications for four columns instead of twelve. Columns lie apart, and all that is done to them
 * is made of `winogradOperators`. Along both axes the transforms would move more memory than the multiplications save.
 */
export function createWinograd(graph: GraphBuilder) {
  const shape = (channels: number) => ['batch', channels, 'height', 'steps'];
  const { node, sum, weighted, combine } = winogradOperators(graph, shape);
  const each = (columns: Columns, of: (value: Value, column: number) => Value): Columns =>
    columns.map(of) as unknown as Columns;

  /** Gᵀ along the width of a kernel [to, from, 3, 3]: six of [to, from, 3, 1]. Folded when the model is loaded. */
  function transformKernel(kernel: Value, scale: number): Value[] {
    const matrix = Float32Array.from(
      { length: 18 },
      (_, index) => scale * KERNEL_TRANSFORM[index % 6]![Math.floor(index / 6)]!,
    );
    const transformed = graph.node('MatMul', [kernel, graph.tensor([3, 6], matrix)]);
    return graph.nodes('Split', [transformed, graph.integers([1, 1, 1, 1, 1, 1])], 6, { axis: 3 });
  }

  const winograd = {
    /** Bᵀ of F(4, 3): of the columns 4t − 1 .. 4t + 4, of which the first and the last are neighbors' columns. */
    see([first, second, third, fourth]: Columns, channels: number): Seen {
      const add = (a: Value, b: Value) => sum(channels, a, b);
      const times = (value: Value, factor: number) => weighted(channels, value, [factor]);
      const even = add(times(second, -4), fourth);
      const odd = add(times(first, -4), third);
      const evenAtTwo = add(times(second, -1), fourth);
      const oddAtTwo = add(times(first, -2), times(third, 2));
      return [
        add(weighted(channels, fourth, [4, 1], 1), times(second, -5)),
        add(even, odd),
        add(times(odd, -1), even),
        add(evenAtTwo, oddAtTwo),
        add(times(oddAtTwo, -1), evenAtTwo),
        add(weighted(channels, first, [4, 1]), times(third, -5)),
      ];
    },
    /** `convolution` of columns that were seen already. */
    convolutionOf(seen: Seen, name: string, { from, to, scale = 1 }: ConvolutionOptions): Columns {
      const kernels = transformKernel(graph.weight(`${name}.weight`, [to, from, 3, 3]), scale);
      const bias = graph.weight(`${name}.bias`, [to]);
      const product = (point: number, ...rest: Value[]) =>
        node(to, 'Conv', [seen[point]!, kernels[point]!, ...rest], { kernel_shape: [3, 1], pads: [1, 0, 1, 0] });
      return combine(to, product, scale === 1 ? bias : graph.node('Mul', [bias, graph.scalar(scale)]));
    },
    /** The same tensors and the same result as `convolution`, up to rounding, column by column. */
    convolution(columns: Columns, name: string, options: ConvolutionOptions): Columns {
      return winograd.convolutionOf(winograd.see(columns, options.from), name, options);
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
        return node(to, 'Conv', [input, widened, bias], attributes);
      };
      return [column(0), column(1), column(2), column(3)];
    },
    /** [batch, channels, h, w] as columns. */
    apart(input: Value, channels: number): Columns {
      const column = (position: number) => {
        const place = Array.from({ length: WINOGRAD_COLUMNS }, (_, at) => Number(at === position));
        const values = Float32Array.from({ length: channels * 4 }, (_, index) => place[index % 4]!);
        const attributes = { kernel_shape: [1, 4], strides: [1, WINOGRAD_COLUMNS], group: channels };
        return node(channels, 'Conv', [input, graph.tensor([channels, 1, 1, 4], values)], attributes);
      };
      return [column(0), column(1), column(2), column(3)];
    },
    /** `columns` and, times `scale`, the others. */
    add(columns: Columns, others: Columns, { channels, scale = 1 }: { channels: number; scale?: number }): Columns {
      const scaled = (value: Value) => (scale === 1 ? value : weighted(channels, value, [scale]));
      return each(columns, (value, column) => sum(channels, scaled(others[column]!), value));
    },
    /** x where positive, slope·x elsewhere, as x + (1 − slope)·relu(−x). `slopes`: one number a channel. */
    parametricRelu(columns: Columns, slopes: Value, channels: number): Columns {
      const axes = graph.integers([1, 2, 3]);
      const missing = graph.node('Unsqueeze', [graph.node('Sub', [graph.scalar(1), slopes]), axes]);
      return each(columns, (value) => {
        const negative = node(channels, 'Relu', [weighted(channels, value, [-1])]);
        const attributes = { kernel_shape: [1, 1], group: channels };
        return sum(channels, node(channels, 'Conv', [negative, missing], attributes), value);
      });
    },
    /** The same with one slope, up to 1, for all channels. */
    leakyRelu(columns: Columns, slope: number, channels: number): Columns {
      return each(columns, (value) => {
        return sum(channels, node(channels, 'Relu', [weighted(channels, value, [slope - 1])]), value);
      });
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
  return winograd;
}

export type Winograd = ReturnType<typeof createWinograd>;
