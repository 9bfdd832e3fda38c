import type { GraphBuilder, Value } from './onnx.ts';

/**
 * Every position of [1, channels, h, w] becomes the code that is nearest to it (van den Oord et al. 2017, equation 2); of
 * codes that are equally near, the first. Squared distances are computed in fp32 and in the order of the published
 * VQGANs, Σz² + Σc² − 2·z·c, whose rounding decides between codes that are nearly so. Tensor `name.weight`
 * [codes, channels].
 */
export function nearestCodes(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { codes, channels }: { codes: number; channels: number },
): Value {
  const book = graph.widen(graph.weight(`${name}.weight`, [codes, channels]));
  const planes = graph.node('Reshape', [graph.widen(input), graph.integers([channels, -1])]);
  const vectors = graph.node('Transpose', [planes], { perm: [1, 0] });
  const squares = (value: Value, keepdims: number) =>
    graph.node('ReduceSum', [graph.node('Mul', [value, value]), graph.integers([1])], { keepdims });
  const products = graph.node('MatMul', [vectors, graph.node('Transpose', [book], { perm: [1, 0] })]);
  const twice = graph.node('Mul', [products, graph.floats([2])]);
  const distances = graph.node('Sub', [graph.node('Add', [squares(vectors, 1), squares(book, 0)]), twice]);
  const indices = graph.node('ArgMin', [distances], { axis: 1, keepdims: 0 });
  const nearest = graph.node('Transpose', [graph.node('Gather', [book, indices], { axis: 0 })], { perm: [1, 0] });
  const result = graph.narrow(graph.node('Reshape', [nearest, graph.node('Shape', [input])]));
  graph.probe('distances', () => graph.narrow(distances));
  graph.probe('indices', () => graph.toFloat(indices));
  graph.probe('quantized', result);
  return result;
}
