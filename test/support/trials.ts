import { expect } from 'vitest';
import { live } from './life.ts';
import { type Fault, siteOf, type World } from './world.ts';

/** A call that fails may keep others from being made at all, or be late together with them: these are hit in another life. */
const MAX_LIVES = 12;

let accounts = 0;

/** Lives of accounts, of which the same must come whatever the trouble is. */
export function createTrials(photo: Uint8Array, byChance: RegExp) {
  let undisturbed: Record<string, unknown>;
  /** By part, the calls of its adapter where nothing is wrong. */
  const sites: Record<string, Set<string>> = {};
  /** By fault, those that it has not hit. */
  const missed: Record<string, string[]> = {};
  const lead = ({ place }: Pick<World, 'place'>) => live(place, `acc_${accounts++}`, photo);

  return {
    missed,
    /** The model is loaded before: a job that waits for it says so. */
    warmUp: (worlds: readonly World[]) => Promise.all(worlds.map(lead)),
    /** Notes what comes of a life that nothing disturbs, and all calls that are made for it. */
    async measure(world: World): Promise<Record<string, unknown>> {
      for (const [name, part] of Object.entries(world.parts)) {
        const seen = new Set<string>();
        sites[name] = seen;
        part.doHarm(({ asked }) => {
          if (asked && !byChance.test(siteOf(asked))) seen.add(siteOf(asked));
          return undefined;
        });
      }
      undisturbed = await lead(world);
      for (const part of Object.values(world.parts)) part.doHarm();
      return undisturbed;
    },
    async endure(world: World, name: string, fault: Fault): Promise<void> {
      const { part, concerns = () => true, costsAttempts } = fault;
      const comparable = costsAttempts ? withoutAttempts : (outcome: Record<string, unknown>) => outcome;
      for (let lives = 0; lives < (part ? MAX_LIVES : 1) && missed[name]?.length !== 0; lives++) {
        const left = missed[name];
        const { place, hit, end } = fault.begin(world, (site) => left?.includes(site) ?? true);
        try {
          expect(comparable(await lead({ place }))).toEqual(comparable(undisturbed));
        } finally {
          await end?.();
        }
        await world.check?.();
        if (part) missed[name] = (left ?? [...sites[part]!].filter(concerns)).filter((site) => !hit!.has(site));
      }
    },
  };
}

function withoutAttempts(outcome: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(outcome).replace(/"attempt":\d+/g, '"attempt":0'));
}

/** Those of a mode, by their names. */
export function faultsOf(mode: 'AWS' | 'local', faults: Record<string, Fault>): [string, Fault][] {
  return Object.entries(faults).filter(([, { only }]) => only === undefined || only === mode);
}
