import { AppError } from '../../../shared/error.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { renamed } from '../../weights/combine.ts';
import { type LoraMerge, withLora } from '../../weights/lora.ts';

/** Parts of RAM that only training, captions or other versions use, and buffers that the network computes itself. */
const UNUSED_IN_RAM = [
  /^tag_encoder\./,
  /^text_decoder\./,
  /^visual_encoder\..*\.(relative_position_index|attn_mask)$/,
  // RAM deletes these two parts of its tag head when it is built.
  /^tagging_head\.embeddings\./,
  /^tagging_head\.encoder\.layer\.\d+\.attention\./,
];

const UNUSED_IN_DAPE = [/^text_decoder\./, /^tag_encoder\.encoder\.layer\.\d+\.attention\./];
const SHARED_WITH_TAG_HEAD = /^tag_encoder\.encoder\.layer\.\d+\.crossattention\./;

/** RAM itself: those of its tensors that inference uses, under the names of the newest version. */
export function ramTagger(ram: Checkpoint): Checkpoint {
  const wrapped = ram.tensors.keys().some((name) => name.startsWith('model.'));
  return renamed(ram, (name) => {
    // The tensors beside the model are the state of its training.
    if (wrapped && !name.startsWith('model.')) return undefined;
    const newName = currentName(wrapped ? name.slice('model.'.length) : name);
    return UNUSED_IN_RAM.some((unused) => unused.test(newName)) ? undefined : newName;
  });
}

/**
 * RAM with the LoRA of SeeSR's degradation-aware prompt extractor merged in (SeeSR, section 3.2). Throws AppError
 * `engine-failed` if a tensor of the LoRA has no place.
 */
export function dapeTagger(tagger: Checkpoint, dape: Checkpoint, lora: { rank: number; alpha: number }): Checkpoint {
  const merges = [...dape.tensors.keys()].flatMap((name): LoraMerge[] => {
    const parts = name.match(/^(.*)\.lora_(A|B)$/);
    if (!parts) throw new AppError('engine-failed', `${dape.files} holds ${name}, which is no LoRA.`);
    const [, module = '', side] = parts;
    const target = targetOf(module, tagger);
    if (!target) return [];
    // Every update is listed once, by its A; a B alone would be lost without a word.
    if (side === 'B') {
      if (dape.tensors.has(`${module}.lora_A`)) return [];
      throw new AppError('engine-failed', `${dape.files} holds ${name} without its lora_A.`);
    }
    return module.endsWith('.qkv')
      ? queryAndValue(module, target, tagger, lora.rank)
      : [whole(module, target, tagger, lora.rank)];
  });
  return withLora(tagger, dape, merges, lora.alpha / lora.rank);
}

function currentName(name: string): string {
  return name.replace('vision_multi', 'tagging_head');
}

/** The matrix that a LoRA belongs to; undefined if inference does not use it. */
function targetOf(module: string, tagger: Checkpoint): string | undefined {
  if (UNUSED_IN_DAPE.some((unused) => unused.test(module))) return undefined;
  const name = currentName(module);
  if (!SHARED_WITH_TAG_HEAD.test(name)) return `${name}.weight`;
  // The first layers of the tag encoder share their matrices with the tag head, so that both updates end up there.
  const shared = `${name.replace('tag_encoder', 'tagging_head')}.weight`;
  return tagger.tensors.has(shared) ? shared : undefined;
}

function whole(module: string, target: string, tagger: Checkpoint, rank: number): LoraMerge {
  const rows = rowsOf(tagger, target);
  const [up, down] = [`${module}.lora_B`, `${module}.lora_A`];
  return { target, firstRow: 0, rows, up, firstUpRow: 0, down, firstDownRow: 0, rank };
}

/** A matrix of queries, keys and values in this order; A and B hold a part for the queries and one for the values. */
function queryAndValue(module: string, target: string, tagger: Checkpoint, rank: number): LoraMerge[] {
  const rows = rowsOf(tagger, target) / 3;
  const query = { ...whole(module, target, tagger, rank), rows };
  return [query, { ...query, firstRow: 2 * rows, firstUpRow: rows, firstDownRow: rank }];
}

function rowsOf(tagger: Checkpoint, target: string): number {
  return tagger.tensors.get(target)?.shape[0] ?? 0;
}
