import type { StageFacts } from './tile-plan.ts';

/** The stages of networks, as their graphs have them: tests compare. */

/** Convolutions of a residual block of RRDBNet, in a line. */
const BLOCK_CONVOLUTIONS = 15;
/** Of RRDBNet, beside its blocks: in the first stage, and in the last as many as see a pixel of the input farther. */
const OTHER_CONVOLUTIONS = 4;
/** Of a stage of the compact network, at most. */
const STAGE_CONVOLUTIONS = 9;

/** RRDBNet: a stage for each block, one in front, one behind. `shuffle`: of the pixel unshuffle in front. */
export function rrdbnetStages({ blocks, shuffle = 1 }: { blocks: number; shuffle?: number }): StageFacts {
  return { count: blocks + 2, context: shuffle * BLOCK_CONVOLUTIONS };
}

/** SRVGGNetCompact. `layers`: all of its convolutions. */
export function compactStages({ layers }: { layers: number }): StageFacts {
  const count = Math.ceil(layers / STAGE_CONVOLUTIONS);
  return { count, context: Math.ceil(layers / count) };
}

/** Blocks of an RRDBNet that sees `context` pixels of the photo far. */
export function rrdbnetBlocks({ context, shuffle }: { context: number; shuffle: number }): number {
  return Math.round((context / shuffle - OTHER_CONVOLUTIONS) / BLOCK_CONVOLUTIONS);
}
