import { useEffect } from 'preact/hooks';

/** A change of the screen: the title of the window, and the focus for people who work with keys. */

const SITE = 'SeeSR Cloud';

/** In the title, for people who look at another window. No names of photos: browsers keep titles. */
export function useTitle(words: string): void {
  useEffect(() => {
    document.title = words ? `${words} – ${SITE}` : SITE;
  }, [words]);
}

/** The heading of the present screen. */
export function focusHeading(): void {
  focus(document.querySelector<HTMLElement>('main h1'));
}

function focus(element: HTMLElement | null): void {
  if (!element) return;
  if (element.tabIndex < 0) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

/**
 * The heading above an element gets its focus when the element goes away: people who work with keys are never sent back
 * to the beginning of the page.
 */
export function keepFocus(): void {
  let places: Element[] = [];
  document.addEventListener('focusin', ({ target }) => {
    places = [];
    for (let place = target as Element | null; place; place = place.parentElement) places.push(place);
  });
  new MutationObserver(() => {
    const active = document.activeElement;
    if (places.length === 0 || (active && active !== document.body) || document.querySelector('dialog[open]')) return;
    const [lost] = places;
    const isUsable = lost?.isConnected && !(lost as HTMLButtonElement).disabled;
    if (isUsable) return; // somebody pressed beside it
    const left = places.find((place) => place.isConnected && place.querySelector('h1, h2, h3'));
    focus(left?.querySelector<HTMLElement>('h1, h2, h3') ?? null);
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['disabled'] });
}
