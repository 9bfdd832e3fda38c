import { writeFile } from 'node:fs/promises';
import { runCommand } from '../shared/adapters/node/command.ts';
import { methodDocs } from './method-docs.ts';

runCommand({
  name: 'docs',
  about: 'Writes docs/methods.md from the declarations of shared/methods.',
  run: () => writeFile(new URL('../docs/methods.md', import.meta.url), methodDocs()),
});
