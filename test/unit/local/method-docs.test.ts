import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { methodDocs } from '../../../local/method-docs.ts';

test('docs/methods.md equals the declarations: `npm run docs` writes it', () => {
  expect(readFileSync(new URL('../../../docs/methods.md', import.meta.url), 'utf8')).toBe(methodDocs());
});
