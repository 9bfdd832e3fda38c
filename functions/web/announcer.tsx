import { createChanges, useChanges } from './changes.ts';

/**
 * Announcements to people who do not see the screen. The region is there from the beginning: one that comes with its
 * words is not heard.
 */

const changes = createChanges();
let words = '';
let count = 0;

export function announce(text: string): void {
  words = text;
  count++;
  changes.tell();
}

export function Announcer() {
  useChanges(changes);
  return (
    <p class="visually-hidden" role="status">
      <span key={count}>{words}</span>
    </p>
  );
}
