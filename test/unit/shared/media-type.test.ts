import { expect, test } from 'vitest';
import { parseMediaType } from '../../../shared/media-type.ts';

/** RFC 9110, sections 5.6.6 and 8.3.1. */

test.each([
  ['image/jpeg', 'image/jpeg', {}],
  [' Image/JPEG ', 'image/jpeg', {}],
  ['text/html;charset=utf-8', 'text/html', { charset: 'utf-8' }],
  ['Text/HTML;Charset="utf-8"', 'text/html', { charset: 'utf-8' }],
  ['text/html ; charset = utf-8', null, {}],
  ['text/html\t;\tcharset=utf-8 ; q=1', 'text/html', { charset: 'utf-8', q: '1' }],
  ['application/json;;charset=utf-8;', 'application/json', { charset: 'utf-8' }],
  ['a/b; c="d;e=\\"f"; g=h', 'a/b', { c: 'd;e="f', g: 'h' }],
  ['image/svg+xml', 'image/svg+xml', {}],
  ['image', null, {}],
  ['image/', null, {}],
  ['', null, {}],
  ['image/png, image/jpeg', null, {}],
  ['image/png; x', null, {}],
  ['image/png; x="y', null, {}],
])('%j', (text, essence, parameters) => {
  expect(parseMediaType(text)).toEqual(essence === null ? null : { essence, parameters });
});
