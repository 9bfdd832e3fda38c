interface Entry {
  /** One line of the help. */
  about: string;
  /** Its program, which runs when it is loaded. Only the one that is called is. */
  load(): Promise<unknown>;
}

/** All commands, by the work that they are for. Each reads its own command line (`runCommand`). */
export const GROUPS: Record<string, Record<string, Entry>> = {
  'Restore photos': {
    start: { about: 'run the service: API, page, queue and worker', load: () => import('../local/main.ts') },
    demo: { about: 'take a photo its whole way through the service', load: () => import('../local/demo.ts') },
    restore: { about: 'restore photos without a server', load: () => import('../gpu-worker/cli.ts') },
    models: { about: 'build, add, list, verify and remove models', load: () => import('../gpu-worker/models-cli.ts') },
  },
  'Operate the service': {
    keys: { about: 'create, list, rotate and revoke API keys', load: () => import('../local/keys.ts') },
    accounts: { about: 'customers, their money and their ledger', load: () => import('../local/accounts.ts') },
    jobs: { about: 'list, show, cancel, erase and sweep jobs', load: () => import('../local/jobs.ts') },
    backup: { about: 'copy the data directory', load: () => import('../local/backup.ts') },
    'restore-backup': { about: 'bring a backup back', load: () => import('../local/restore-backup.ts') },
    'check-data': { about: 'look for damage in the data directory', load: () => import('../local/check-data.ts') },
    ready: { about: 'ask whether the service is ready', load: () => import('../local/check-ready.ts') },
  },
  'Measure models': {
    evaluate: { about: 'measure models against ground truth', load: () => import('../evaluation/main.ts') },
    table2: { about: 'methods × metrics of several data sets', load: () => import('../evaluation/table2.ts') },
    'evaluate-semantic': {
      about: 'measure how well results are understood',
      load: () => import('../evaluation/semantic/main.ts'),
    },
    study: { about: 'ask people which picture is better', load: () => import('../evaluation/study/main.ts') },
    degrade: { about: 'make poor photos from good ones', load: () => import('../evaluation/degradation/main.ts') },
  },
  'Adapt models': {
    train: { about: 'train SeeSR on photos of your own', load: () => import('../training/main.ts') },
  },
  'Change the program, in a clone': {
    parity: { about: 'compare with recorded outputs', load: () => import('../test/parity/main.ts') },
    bench: { about: 'measure speed and steadiness', load: () => import('../test/bench/main.ts') },
    fuzz: { about: 'send the API generated requests', load: () => import('../test/fuzz/main.ts') },
    docs: { about: 'write docs/methods.md', load: () => import('../local/docs.ts') },
    'build-client': { about: 'build the client as an npm package', load: () => import('../local/build-client.ts') },
  },
};
