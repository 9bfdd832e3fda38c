/** `npm run bench -- NAME`: measures and prints; asserts nothing. */
const BENCHES: Record<string, () => Promise<{ run: () => Promise<unknown> }>> = {
  sr: () => import('./sr.ts'),
  seesr: () => import('./seesr.ts'),
  api: () => import('./api.ts'),
  job: () => import('./job.ts'),
  chaos: () => import('./chaos.ts'),
  ledger: () => import('./ledger.ts'),
  scale: () => import('./scale.ts'),
  edge: () => import('./edge.ts'),
  offline: () => import('./offline.ts'),
  hostile: () => import('./hostile.ts'),
};

const name = process.argv[2] ?? '';
const load = BENCHES[name];
if (!load) {
  console.error(`There is no bench "${name}"; there are: ${Object.keys(BENCHES).join(', ')}.`);
  process.exit(2);
}
const { run } = await load();
await run();

export {};
