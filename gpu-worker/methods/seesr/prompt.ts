import type { Description, Parameters } from '../../../shared/job.ts';

/** A word that the tagger knows, and how sure it has to be of it. */
export interface Tag {
  name: string;
  /** A score must be above it. Some are 1: never. */
  threshold: number;
}

/** The tags of a photo: those whose score, the sigmoid of their logit, is above their threshold; in order. */
export function findTags(logits: Float32Array, tags: readonly Tag[]): Description['tags'] {
  return tags.flatMap(({ name, threshold }, index) => {
    const score = 1 / (1 + Math.exp(-logits[index]!));
    return score > threshold ? [{ name, score, threshold }] : [];
  });
}

/** The tags that go into the prompt: those that were found, the user's as well, or only the user's. */
export function chooseTags(found: Description['tags'], { mode, list }: NonNullable<Parameters['tags']>): string[] {
  const names = found.map(({ name }) => name);
  if (mode === 'replace') return list;
  return mode === 'append' ? [...names, ...list.filter((name) => !names.includes(name))] : names;
}

/** The positive prompt, to the comma as the published script puts it together: the network has seen no other. */
export function assemblePrompt(tags: readonly string[], prompt: string, addedPrompt: string): string {
  return `${tags.join(', ')}, ${prompt},${addedPrompt}`;
}
