import {
  createGraphBuilder,
  type Graph,
  type GraphBuilder,
  type GraphOptions,
  type Value,
} from '../../gpu-worker/graphs/onnx.ts';
import { batchNorm } from './batch-norm.ts';

export const INCEPTION_SIDE = 299;
const EPSILON = 1e-3;

interface Level {
  value: Value;
  channels: number;
}
/** Height and width of a kernel; one number is both. */
type Kernel = number | readonly [number, number];
/** Of a convolution: the end of its name, outputs in the published size, kernel (1). */
type Layer = readonly [name: string, to: number, kernel?: Kernel];

/**
 * InceptionV3 of TensorFlow (Szegedy et al. 2016), as FID takes it: `image` [1, 3, 299, 299] in −1..1 → `features` [1, 2048]. Names
 * as in torchvision; three things are others than there: pools do not count the padding, the last one is a maximum, and the
 * classifier is left out. `divisor`: of all numbers of channels, 1 in the published size. Probes: every named module.
 */
export function inception(divisor: number, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('inception', options);
  const layer = layersOf(graph, divisor);
  const mixed = (name: string, input: Level, branches: readonly Branch[]): Level => {
    const parts = branches.map((branch) => branch(input, name));
    const level = joined(graph, parts.flat());
    graph.probe(name, level.value);
    return level;
  };
  const stem = (name: string, input: Level, to: number, kernel: Kernel, options: Placing = {}): Level => {
    const level = layer(input, name, to, kernel, options);
    graph.probe(name, level.value);
    return level;
  };
  /** One convolution after the other. */
  const chain =
    (layers: readonly Layer[], last: Placing = {}): Branch =>
    (input, name) =>
      layers.reduce((level, [end, to, kernel = 1], index) => {
        return layer(level, `${name}.${end}`, to, kernel, index === layers.length - 1 ? last : {});
      }, input);
  const average =
    (to: number): Branch =>
    (input, name) =>
      layer(pool(graph, input, 'AveragePool'), `${name}.branch_pool`, to, 1);
  const maximum: Branch = (input) => pool(graph, input, 'MaxPool', SHRINK);

  let level: Level = { value: graph.input('image', [1, 3, INCEPTION_SIDE, INCEPTION_SIDE]), channels: 3 };
  level = stem('Conv2d_1a_3x3', level, 32, 3, SHRINK);
  level = stem('Conv2d_2a_3x3', level, 32, 3, { padded: false });
  level = pool(graph, stem('Conv2d_2b_3x3', level, 64, 3), 'MaxPool', SHRINK);
  level = stem('Conv2d_3b_1x1', level, 80, 1);
  level = pool(graph, stem('Conv2d_4a_3x3', level, 192, 3, { padded: false }), 'MaxPool', SHRINK);
  for (const [name, pooled] of [
    ['Mixed_5b', 32],
    ['Mixed_5c', 64],
    ['Mixed_5d', 64],
  ] as const) {
    level = mixed(name, level, [
      chain([['branch1x1', 64]]),
      chain([
        ['branch5x5_1', 48],
        ['branch5x5_2', 64, 5],
      ]),
      chain([
        ['branch3x3dbl_1', 64],
        ['branch3x3dbl_2', 96, 3],
        ['branch3x3dbl_3', 96, 3],
      ]),
      average(pooled),
    ]);
  }
  level = mixed('Mixed_6a', level, [
    chain([['branch3x3', 384, 3]], SHRINK),
    chain(
      [
        ['branch3x3dbl_1', 64],
        ['branch3x3dbl_2', 96, 3],
        ['branch3x3dbl_3', 96, 3],
      ],
      SHRINK,
    ),
    maximum,
  ]);
  for (const [name, inner] of [
    ['Mixed_6b', 128],
    ['Mixed_6c', 160],
    ['Mixed_6d', 160],
    ['Mixed_6e', 192],
  ] as const) {
    level = mixed(name, level, [
      chain([['branch1x1', 192]]),
      chain([
        ['branch7x7_1', inner],
        ['branch7x7_2', inner, [1, 7]],
        ['branch7x7_3', 192, [7, 1]],
      ]),
      chain([
        ['branch7x7dbl_1', inner],
        ['branch7x7dbl_2', inner, [7, 1]],
        ['branch7x7dbl_3', inner, [1, 7]],
        ['branch7x7dbl_4', inner, [7, 1]],
        ['branch7x7dbl_5', 192, [1, 7]],
      ]),
      average(192),
    ]);
  }
  level = mixed('Mixed_7a', level, [
    chain(
      [
        ['branch3x3_1', 192],
        ['branch3x3_2', 320, 3],
      ],
      SHRINK,
    ),
    chain(
      [
        ['branch7x7x3_1', 192],
        ['branch7x7x3_2', 192, [1, 7]],
        ['branch7x7x3_3', 192, [7, 1]],
        ['branch7x7x3_4', 192, 3],
      ],
      SHRINK,
    ),
    maximum,
  ]);
  /** A chain whose result goes through a flat and a tall kernel. */
  const forked =
    (layers: readonly Layer[], end: string): Branch =>
    (input, name) => {
      const level = chain(layers)(input, name) as Level;
      return [layer(level, `${name}.${end}a`, 384, [1, 3]), layer(level, `${name}.${end}b`, 384, [3, 1])];
    };
  const pooledLast: Branch = (input, name) => layer(pool(graph, input, 'MaxPool'), `${name}.branch_pool`, 192, 1);
  for (const [name, pooled] of [
    ['Mixed_7b', average(192)],
    ['Mixed_7c', pooledLast],
  ] as const) {
    level = mixed(name, level, [
      chain([['branch1x1', 320]]),
      forked([['branch3x3_1', 384]], 'branch3x3_2'),
      forked(
        [
          ['branch3x3dbl_1', 448],
          ['branch3x3dbl_2', 384, 3],
        ],
        'branch3x3dbl_3',
      ),
      pooled,
    ]);
  }
  const means = graph.node('GlobalAveragePool', [level.value]);
  graph.output('features', graph.node('Reshape', [means, graph.integers([1, level.channels])]), [1, level.channels]);
  return graph.build();
}

type Branch = (input: Level, name: string) => Level | Level[];

interface Placing {
  stride?: number;
  /** With zeros, so that stride 1 keeps the size: the default. */
  padded?: boolean;
}
const SHRINK: Placing = { stride: 2, padded: false };

/** A convolution without bias, its batch norm and ReLU. */
function layersOf(graph: GraphBuilder, divisor: number) {
  return (
    input: Level,
    name: string,
    outputs: number,
    kernel: Kernel,
    { stride = 1, padded = true }: Placing = {},
  ): Level => {
    const [height, width] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
    const to = outputs / divisor;
    const [down, right] = padded ? [(height - 1) / 2, (width - 1) / 2] : [0, 0];
    const weight = graph.weight(`${name}.conv.weight`, [to, input.channels, height, width]);
    const attributes = { kernel_shape: [height, width], pads: [down, right, down, right], strides: [stride, stride] };
    const normal = batchNorm(graph, graph.node('Conv', [input.value, weight], attributes), `${name}.bn`, to, EPSILON);
    return { value: graph.node('Relu', [normal]), channels: to };
  };
}

function pool(
  graph: GraphBuilder,
  { value, channels }: Level,
  kind: 'AveragePool' | 'MaxPool',
  { stride = 1, padded = true }: Placing = {},
): Level {
  const margin = padded ? 1 : 0;
  const attributes = { kernel_shape: [3, 3], strides: [stride, stride], pads: [margin, margin, margin, margin] };
  return { value: graph.node(kind, [value], attributes), channels };
}

function joined(graph: GraphBuilder, parts: readonly Level[]): Level {
  const value = graph.node(
    'Concat',
    parts.map((part) => part.value),
    { axis: 1 },
  );
  return { value, channels: parts.reduce((sum, { channels }) => sum + channels, 0) };
}
