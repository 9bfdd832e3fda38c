import type { ComponentChild } from 'preact';
import { render } from 'preact';
import { keepFocus } from './screen.ts';
import { wrapTexts } from './text-elements.ts';

/** Draws the page, where check-browser.js has found that the browser can. */
export function start(page: () => ComponentChild): void {
  const { dataset } = document.documentElement;
  if ('old' in dataset) return;
  wrapTexts();
  keepFocus();
  render(page(), document.body);
  dataset.started = '';
}
