import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Node takes no TypeScript out of node_modules, where the program is after `npm install --global`: here it does. */

// It warns of itself, once, and users can do nothing about it.
const { emitWarning } = process;
process.emitWarning = () => {};
stripTypeScriptTypes('');
process.emitWarning = emitWarning;

const PACKAGE = new URL('../', import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    const isOurs = url.startsWith(PACKAGE) && url.endsWith('.ts') && !url.includes('/node_modules/', PACKAGE.length);
    if (!isOurs) return nextLoad(url, context);
    const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'));
    return { format: 'module', source, shortCircuit: true };
  },
});

/** For this process and those that it starts. An update replaces the folder of the package, so models are kept elsewhere. */
export function prepare() {
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${import.meta.url}`.trim();
  process.env.MODELS_DIR ||= join(homedir(), '.seesr-cloud', 'models');
}
