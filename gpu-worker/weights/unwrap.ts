import type { Checkpoint } from './checkpoint.ts';
import { renamed } from './combine.ts';

/** Under which training programs save the weights of a network; the first one that is there. */
const CONTAINERS = ['model_state_dict', 'state_dict', 'params_ema', 'params-ema', 'params', 'model', 'net'];
/** Prefixes of all names from modules that hold the whole network; the last one is that of `torch.compile`. */
const PREFIXES = ['module.', 'netG.', '_orig_mod.'];
/** One wrapping may lie in another. */
const ROUNDS = 2;

/**
 * The tensors of the network itself, under their own names: out of the dictionaries in which it was saved, without the
 * entries beside these (optimizers, other averages). By the same rules as spandrel (github.com/chaiNNer-org/spandrel,
 * `canonicalize_state_dict`), so that a file has the same meaning in both; beyond them, compiled networks are read. `preferred`: the dictionary to take, where a
 * file has it.
 */
export function unwrapped(checkpoint: Checkpoint, preferred?: string): Checkpoint {
  const containers = preferred === undefined ? CONTAINERS : [preferred, ...CONTAINERS];
  let wrapping = '';
  for (let round = 0; round < ROUNDS; round++) {
    wrapping += containerIn(checkpoint, containers, wrapping);
    wrapping += onlyDictionaryIn(checkpoint, wrapping);
    for (const prefix of PREFIXES) if (isBeforeAll(checkpoint, wrapping, prefix)) wrapping += prefix;
  }
  return renamed(checkpoint, (name) => (name.startsWith(wrapping) ? name.slice(wrapping.length) : undefined));
}

/** A dictionary, not a name that begins like one: `model.0.weight` lies in no container. */
function containerIn({ dictionaries }: Checkpoint, containers: readonly string[], wrapping: string): string {
  const found = containers.find((name) => dictionaries?.has(wrapping + name));
  return found ? `${found}.` : '';
}

/** Under any name. */
function onlyDictionaryIn({ dictionaries }: Checkpoint, wrapping: string): string {
  if (dictionaries?.get(wrapping.slice(0, -1)) !== 1) return '';
  // Outer dictionaries stand before those in them.
  const found = [...dictionaries.keys()].find((name) => name !== '' && name.startsWith(wrapping));
  return found ? `${found.slice(wrapping.length)}.` : '';
}

function isBeforeAll({ tensors }: Checkpoint, wrapping: string, prefix: string): boolean {
  const names = [...tensors.keys()].filter((name) => name.startsWith(wrapping));
  return names.length > 0 && names.every((name) => name.startsWith(prefix, wrapping.length));
}
