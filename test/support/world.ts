import type { Asked } from './asked.ts';
import type { Place } from './place.ts';
import type { TroubledStores } from './troubled-stores.ts';

/** The service in one of its two modes, and what of it harm can be done to. */
export interface World {
  place: Place;
  parts: Record<string, Part>;
  /** On AWS. */
  stores?: TroubledStores;
  /** When no more harm is done. Throws where something is left behind. */
  check?(): Promise<void>;
  close(): Promise<void>;
}

/** The server or device behind adapters. */
interface Part {
  /** Is asked at each call, from now on; without an argument nobody is. */
  doHarm(harmOf?: (call: { asked?: Asked | undefined }) => undefined): void;
}

/** Trouble of a world. */
export interface Fault {
  /** Absent: in both modes. */
  only?: 'AWS' | 'local';
  /** The part that it does harm to, at each call that it `concerns` (by `siteOf`). Default: at all. */
  part?: string;
  concerns?(site: string): boolean;
  /** An attempt that meets it is given back, and another one takes its place. */
  costsAttempts?: boolean;
  /** The place in trouble, until `end`; `mayHit`: by `siteOf`, and the hits come back. */
  begin(
    world: World,
    mayHit?: (site: string) => boolean,
  ): { place: Place; end?(): void | Promise<void>; hit?: Set<string> };
}

/** Of a call: the verb of the adapter that makes it, and its command. */
export const siteOf = ({ verb, command }: Asked): string => `${verb}: ${command}`;
