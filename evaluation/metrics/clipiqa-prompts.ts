/** Tokens of CLIP's vocabulary; a prompt is filled with `fill`. */
const START = 49_406;
const END = 49_407;
const FILL = 0;
/** Stands for a learned vector: "X". */
const PLACEHOLDER = 343;
const LEARNED = 16;

/** "Good image", "bad image", "Sharp image", …: five pairs, the good one first. */
export const PROMPTS = [
  [886, 2867],
  [2103, 2867],
  [8157, 2867],
  [21977, 2867],
  [8157, 20938],
  [21977, 20938],
  [1400, 9977, 2867],
  [1042, 9977, 2867],
  [9307, 268, 1139, 2867],
  [33495, 2867],
];
/** "Good photo..", "Bad photo..", behind 16 learned vectors. */
export const LEARNED_PROMPTS = [
  [886, 1125, 852],
  [2103, 1125, 852],
].map((words) => [...Array<number>(LEARNED).fill(PLACEHOLDER), ...words]);

/** With start, end and filling. */
export function promptIds(words: readonly number[], length: number): number[] {
  const ids = [START, ...words, END];
  return [...ids, ...Array<number>(length - ids.length).fill(FILL)];
}

/** Vectors of prompts. */
export interface Prompts {
  /** [prompts, tokens, width]. */
  vectors: Float32Array;
  /** Of each: the place of its end, where the answer of the text encoder stands. */
  ends: number[];
}

/** `table`: [vocabulary, width]; every prompt gets `length` tokens. */
export function embedPrompts(
  prompts: readonly (readonly number[])[],
  table: Float32Array,
  width: number,
  length: number,
): Prompts {
  const vectors = new Float32Array(prompts.length * length * width);
  for (const [index, words] of prompts.entries()) {
    for (const [place, id] of promptIds(words, length).entries()) {
      vectors.set(table.subarray(id * width, (id + 1) * width), (index * length + place) * width);
    }
  }
  return { vectors, ends: prompts.map((words) => words.length + 1) };
}

/**
 * Those of CLIPIQA+: half of the learned vectors stand before the words and half behind them. `learned`: [2, 16, width].
 */
export function embedLearned(learned: Float32Array, table: Float32Array, width: number, length: number): Prompts {
  const { vectors, ends } = embedPrompts(LEARNED_PROMPTS, table, width, length);
  const half = LEARNED / 2;
  for (const index of LEARNED_PROMPTS.keys()) {
    const prompt = vectors.subarray(index * length * width, (index + 1) * length * width);
    const own = learned.subarray(index * LEARNED * width, (index + 1) * LEARNED * width);
    const words = prompt.slice((1 + LEARNED) * width, ends[index]! * width);
    prompt.set(own.subarray(0, half * width), width);
    prompt.set(words, (1 + half) * width);
    prompt.set(own.subarray(half * width), (1 + half) * width + words.length);
  }
  return { vectors, ends };
}
