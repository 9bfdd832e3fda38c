import type { GraphBuilder, Value } from '../../gpu-worker/graphs/onnx.ts';

/** Gradients by the value that they belong to: those that arrive by several ways add up. */
export interface Totals {
  add(value: Value, gradient: Value): void;
  /** The sum of all that arrived; undefined if nothing did. Nothing may arrive later. */
  get(value: Value): Value | undefined;
}

export function createTotals(graph: GraphBuilder): Totals {
  const parts = new Map<Value, Value[]>();
  return {
    add(value, gradient) {
      const arrived = parts.get(value);
      if (arrived) arrived.push(gradient);
      else parts.set(value, [gradient]);
    },
    get(value) {
      const arrived = parts.get(value);
      if (!arrived || arrived.length === 1) return arrived?.[0];
      const total = graph.node('Sum', arrived);
      parts.set(value, [total]);
      return total;
    },
  };
}
