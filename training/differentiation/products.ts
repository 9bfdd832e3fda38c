import { AppError } from '../../shared/error.ts';
import { product, type Rules, reshape, unspread } from './forward-node.ts';

/** Matrix products, of batches too. */
export const PRODUCTS: Rules = {
  MatMul(node) {
    const { graph, upstream } = node;
    const [aShape, bShape] = node.inputShapes as [readonly number[], readonly number[]];
    if (Math.min(aShape.length, bShape.length) < 2) {
      throw new AppError('invalid', `MatMul of a vector has no gradient here (${node.name}).`);
    }
    const [inner, columns] = bShape.slice(-2) as [number, number];
    const rows = aShape.at(-2)!;
    const batch = node.outputShapes[0]!.slice(0, -2);
    return [
      () => unspread(graph, product(graph, upstream, node.input(1), { transB: 1 }), [...batch, rows, inner], aShape),
      () => {
        if (bShape.length > 2) {
          return unspread(
            graph,
            product(graph, node.input(0), upstream, { transA: 1 }),
            [...batch, inner, columns],
            bShape,
          );
        }
        if (batch.every((size) => size === 1)) {
          const one = product(graph, node.input(0), upstream, { transA: 1 });
          return batch.length === 0 ? one : reshape(graph, one, bShape);
        }
        // All leading axes are rows of one matrix: one product sums over them.
        const [flat, flatUpstream] = [
          reshape(graph, node.input(0), [-1, inner]),
          reshape(graph, upstream, [-1, columns]),
        ];
        return product(graph, flat, flatUpstream, { transA: 1 });
      },
    ];
  },
};
