import type { GraphProto } from 'onnx-buf';
import type { Value } from '../../gpu-worker/graphs/onnx.ts';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import { dependentValues } from './activity.ts';
import { range } from './forward-node.ts';
import type { Shapes } from './shapes.ts';

const BYTES = 4;
/** More pieces than this are not tried. */
const MOST_PIECES = 64;

/**
 * Cuts the nodes of a graph, in their order, into pieces whose insides are computed again: the number of each node's piece.
 * Cuts lie where few bytes cross, and there are as many as make the kept bytes and those of the largest piece least.
 * `leaves`: inputs that are no data, see `createRecomputation`.
 */
export function cutIntoPieces(proto: GraphProto, shapes: Shapes, leaves: ReadonlySet<Value>): number[] {
  const data = proto.input.map(({ name }) => name).filter((name) => !leaves.has(name));
  const changing = dependentValues(proto.node, data);
  const bytesOf = (value: Value) => (changing.has(value) ? BYTES * elementCount(shapes.get(value) ?? [0]) : 0);
  const lastReaders = new Map(proto.node.flatMap(({ input }, index) => input.map((value) => [value, index] as const)));
  const made = proto.node.map(({ output }) => output.reduce((sum, value) => sum + bytesOf(value), 0));

  /** Bytes that are there behind each node and are read by a later one. */
  const crossing = made.map(() => 0);
  let live = 0;
  const ends = made.map(() => 0);
  for (const [index, { output }] of proto.node.entries()) {
    for (const value of output) {
      const end = lastReaders.get(value) ?? index;
      if (end > index) live += bytesOf(value);
      if (end > index) ends[end]! += bytesOf(value);
    }
    live -= ends[index]!;
    crossing[index] = live;
  }
  const total = made.reduce((sum, bytes) => sum + bytes, 0);
  const plans = range(MOST_PIECES).map((count) => {
    const pieces = piecesBehind(cuts(count + 1, made, crossing, total), made.length);
    return { pieces, bytes: keptBytes(pieces) + largestPiece(pieces, made) };
  });
  return plans.reduce((best, plan) => (plan.bytes < best.bytes ? plan : best)).pieces;

  function keptBytes(pieces: readonly number[]): number {
    let kept = 0;
    for (const [index, { output }] of proto.node.entries()) {
      for (const value of output) if (pieces[lastReaders.get(value) ?? index] !== pieces[index]) kept += bytesOf(value);
    }
    return kept;
  }
}

/** The best place for a cut near each of `count` − 1 places that are equally far apart, by the bytes that are made. */
function cuts(count: number, made: readonly number[], crossing: readonly number[], total: number): Set<number> {
  const best = new Map<number, number>();
  let sum = 0;
  for (const [index, bytes] of made.entries()) {
    sum += bytes;
    const near = Math.round((sum / total) * count);
    if (near < 1 || near >= count) continue;
    const found = best.get(near);
    if (found === undefined || crossing[index]! < crossing[found]!) best.set(near, index);
  }
  return new Set(best.values());
}

function piecesBehind(places: ReadonlySet<number>, count: number): number[] {
  let piece = 0;
  return range(count).map((index) => (places.has(index) ? piece++ : piece));
}

function largestPiece(pieces: readonly number[], made: readonly number[]): number {
  const sums: number[] = [];
  for (const [index, piece] of pieces.entries()) sums[piece] = (sums[piece] ?? 0) + made[index]!;
  return Math.max(...sums);
}
