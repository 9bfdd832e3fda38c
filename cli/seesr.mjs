#!/usr/bin/env node
// Plain JavaScript: an older Node could answer TypeScript only with a syntax error.
const REQUIRED = 24;

if (Number.parseInt(process.versions.node, 10) < REQUIRED) {
  process.stderr.write(
    `seesr: Node ${REQUIRED} or newer is needed; this is ${process.version}. In a clone "npm ci" installs the right Node ` +
      'on Linux and Windows, and npm uses it. Elsewhere install it from https://nodejs.org first.\n',
  );
  process.exit(1);
}
if (import.meta.url.includes('/node_modules/')) (await import('./installed.mjs')).prepare();
await import('./main.ts');
