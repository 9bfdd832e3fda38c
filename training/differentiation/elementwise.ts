import type { Value } from '../../gpu-worker/graphs/onnx.ts';
import { type ForwardNode, type Rule, type Rules, unspread } from './forward-node.ts';

const FLOAT16 = 10;
const FLOAT = 1;

/** Nodes of one gradient of an elementwise operator, as large as the output, brought to the size of the input. */
function elementwise(...parts: readonly ((node: ForwardNode) => Value)[]): Rule {
  return (node) =>
    parts.map((part, index) => () => {
      return unspread(node.graph, part(node), node.outputShapes[0]!, node.inputShapes[index]!);
    });
}

const upstream = ({ upstream }: ForwardNode) => upstream;
const times = ({ graph }: ForwardNode, ...factors: Value[]) => {
  return factors.reduce((product, factor) => graph.node('Mul', [product, factor]));
};
/** Of one operand. */
const of = (operator: string, { graph }: ForwardNode, value: Value) => graph.node(operator, [value]);
const scalar = ({ graph }: ForwardNode, value: number) => graph.scalar(value);

/** `value` where the input is above 0, `other` elsewhere. */
function whereAbove(node: ForwardNode, value: Value, other: Value): Value {
  const above = node.graph.node('Greater', [node.input(0), scalar(node, 0)]);
  return node.graph.node('Where', [above, value, other]);
}

/** Φ(x) + x·φ(x), by the error function. */
function geluSlope(node: ForwardNode): Value {
  const { graph } = node;
  const x = node.input(0);
  const cumulative = graph.node('Add', [
    times(node, of('Erf', node, times(node, x, scalar(node, Math.SQRT1_2))), scalar(node, 0.5)),
    scalar(node, 0.5),
  ]);
  const density = of('Exp', node, times(node, x, x, scalar(node, -0.5)));
  return graph.node('Add', [cumulative, times(node, density, x, scalar(node, 1 / Math.sqrt(2 * Math.PI)))]);
}

/** Operators that take their operands number by number, of equal shapes or spread to one. */
export const ELEMENTWISE: Rules = {
  Add: elementwise(upstream, upstream),
  Sum: (node) => elementwise(...Array(node.inputCount).fill(upstream))(node),
  Sub: elementwise(upstream, (node) => of('Neg', node, node.upstream)),
  Mul: elementwise(
    (node) => times(node, node.upstream, node.input(1)),
    (node) => times(node, node.upstream, node.input(0)),
  ),
  Div: elementwise(
    (node) => node.graph.node('Div', [node.upstream, node.input(1)]),
    (node) => of('Neg', node, node.graph.node('Div', [times(node, node.upstream, node.output()), node.input(1)])),
  ),
  Identity: elementwise(upstream),
  Neg: elementwise((node) => of('Neg', node, node.upstream)),
  Sqrt: elementwise((node) => times(node, node.graph.node('Div', [node.upstream, node.output()]), scalar(node, 0.5))),
  Exp: elementwise((node) => times(node, node.upstream, node.output())),
  Log: elementwise((node) => node.graph.node('Div', [node.upstream, node.input(0)])),
  Erf: elementwise((node) => {
    const x = node.input(0);
    const bell = of('Exp', node, of('Neg', node, times(node, x, x)));
    return times(node, node.upstream, bell, scalar(node, 2 / Math.sqrt(Math.PI)));
  }),
  Sigmoid: elementwise((node) => {
    const rest = node.graph.node('Sub', [scalar(node, 1), node.output()]);
    return times(node, node.upstream, node.output(), rest);
  }),
  Softplus: elementwise((node) => times(node, node.upstream, of('Sigmoid', node, node.input(0)))),
  Relu: elementwise((node) => whereAbove(node, node.upstream, scalar(node, 0))),
  LeakyRelu: elementwise((node) => {
    const slope = scalar(node, node.attributes.float('alpha', 0.01));
    return whereAbove(node, node.upstream, times(node, node.upstream, slope));
  }),
  PRelu: elementwise(
    (node) => whereAbove(node, node.upstream, times(node, node.upstream, node.input(1))),
    (node) => whereAbove(node, scalar(node, 0), times(node, node.upstream, node.input(0))),
  ),
  Gelu: elementwise((node) => times(node, node.upstream, geluSlope(node))),
  Where(node) {
    const zero = () => scalar(node, 0);
    const chosen = (yes: Value, no: Value, index: number) => {
      const value = node.graph.node('Where', [node.input(0), yes, no]);
      return unspread(node.graph, value, node.outputShapes[0]!, node.inputShapes[index]!);
    };
    return [undefined, () => chosen(node.upstream, zero(), 1), () => chosen(zero(), node.upstream, 2)];
  },
  /** Between fp32 and fp16 only: whole numbers have no gradient. */
  Cast: (node) => [
    () =>
      node.graph.node('Cast', [node.upstream], {
        to: node.attributes.integer('to', FLOAT) === FLOAT16 ? FLOAT : FLOAT16,
      }),
  ],
  Softmax: (node) => [
    () => {
      const { graph, upstream, attributes } = node;
      const axes = graph.integers([attributes.integer('axis', -1)]);
      const share = graph.node('ReduceSum', [times(node, upstream, node.output()), axes], { keepdims: 1 });
      return times(node, node.output(), graph.node('Sub', [upstream, share]));
    },
  ],
};
