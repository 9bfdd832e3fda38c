import type { Graph } from './onnx.ts';

/**
 * A part of a network that is computed for the whole picture, tile by tile, before the next part begins: the result does
 * not depend on the tiles, and little is computed twice, because a part sees less far than the whole.
 */
export interface Stage {
  /**
   * Its inputs are the picture, `input`, or results of earlier stages by their names, all with the same sides; others are
   * the same for every tile. `output`: its result.
   */
  graph: Graph;
  /** The name of its result; an earlier one of that name is forgotten. */
  gives: string;
  /** Positions of its inputs around a point that have a say in the result there. */
  context: number;
  /** Sides of the result over those of its inputs. */
  scale: number;
  /** It computes on larger values than it takes: sides of its tiles are smaller by this factor. Default: 1. */
  tileDivisor?: number;
  /** Its result is its input, refined: the last stage makes a picture of either. */
  refines?: boolean;
  /** The same for CPUs, with half of the multiplications, where the width of a tile is a multiple of WINOGRAD_COLUMNS. */
  byWinograd?: Graph;
}
