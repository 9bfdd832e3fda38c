import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Fails for every finding of axe by its default rules: WCAG 2 A and AA, and best practices. */
export async function expectAccessible(page: Page, { colorsOfSystem = false } = {}): Promise<void> {
  if (await page.evaluate<boolean>(`typeof axe === 'undefined'`)) await page.evaluate(AXE);
  const options = {
    // Where the system sets the colors, axe does not see which.
    rules: { 'color-contrast': { enabled: !colorsOfSystem } },
    resultTypes: ['violations'], // passed rules are not written down
  };
  const { violations } = (await page.evaluate(`axe.run(${JSON.stringify(options)})`)) as AxeResults;
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
}
