import type { Value } from '../../gpu-worker/graphs/onnx.ts';
import { AppError } from '../../shared/error.ts';
import { type ForwardNode, product, type Rules, reshape, sum, unspread } from './forward-node.ts';

/** Where the bias of the scores is among the inputs. */
const BIAS = 5;

/**
 * Attention of ONNX Runtime keeps no scores: they are computed again, [batch, heads, n, m] at once. With P the shares and u
 * the upstream gradient: dV = Pᵀ·u, dP = u·Vᵀ, dS = P·(dP − Σ P·dP), dQ = dS·K/√d, dK = dSᵀ·Q/√d. The sum Σ P·dP is Σ u·y
 * over the width of a head (Dao et al. 2022, appendix B.4).
 */
export const ATTENTION: Rules = {
  MultiHeadAttention(node) {
    const { graph, upstream, inputShapes } = node;
    if (node.hasInput(3) || node.hasInput(4) || node.inputCount > BIAS + 1) {
      throw new AppError('invalid', `MultiHeadAttention with more than a bias has no gradient here (${node.name}).`);
    }
    const heads = node.attributes.integer('num_heads', 1);
    const [batch, n, width] = inputShapes[0] as [number, number, number];
    const m = inputShapes[1]![1]!;
    const scale = node.attributes.float('scale', 0) || 1 / Math.sqrt(width / heads);
    const apart = (value: Value, count: number) => {
      const split = reshape(graph, value, [batch, count, heads, -1]);
      return graph.node('Transpose', [split], { perm: [0, 2, 1, 3] });
    };
    const joined = (value: Value, shape: readonly number[]) => {
      return reshape(graph, graph.node('Transpose', [value], { perm: [0, 2, 1, 3] }), shape);
    };
    const [query, key] = [apart(node.input(0), n), apart(node.input(1), m)];
    const shares = sharesOf(node, query, key, scale);
    const arrived = apart(upstream, n);
    const needsScores = [0, 1, BIAS].some((index) => node.needs(index));
    const scores = needsScores
      ? scoreGradient(node, { shares, arrived, value: apart(node.input(2), m) }, apart(node.output(), n))
      : '';
    const bias = () => unspread(graph, scores, [batch, heads, n, m], inputShapes[BIAS]!);
    return [
      () => joined(product(graph, scores, key, { alpha: scale }), inputShapes[0]!),
      () => joined(product(graph, scores, query, { transA: 1, alpha: scale }), inputShapes[1]!),
      () => joined(product(graph, shares, arrived, { transA: 1 }), inputShapes[2]!),
      undefined,
      undefined,
      bias,
    ];
  },
};

function sharesOf({ graph, input, hasInput }: ForwardNode, query: Value, key: Value, scale: number): Value {
  const scores = product(graph, query, key, { transB: 1, alpha: scale });
  const biased = hasInput(BIAS) ? graph.node('Add', [scores, input(BIAS)]) : scores;
  return graph.node('Softmax', [biased], { axis: -1 });
}

function scoreGradient(
  { graph }: ForwardNode,
  { shares, arrived, value }: Record<'shares' | 'arrived' | 'value', Value>,
  output: Value,
): Value {
  const given = sum(graph, graph.node('Mul', [arrived, output]), [3], 1);
  const ofShares = product(graph, arrived, value, { transB: 1 });
  return graph.node('Mul', [shares, graph.node('Sub', [ofShares, given])]);
}
