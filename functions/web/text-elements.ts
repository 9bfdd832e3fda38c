import { type ComponentChildren, createElement, Fragment, options } from 'preact';

/**
 * Every text gets an element of its own, which is replaced when the text changes. Translators of browsers put their own
 * elements in place of the texts that they find: nobody sees the words that the page then writes into the old text, and
 * an old price would stay on the screen. An element that goes takes the work of a translator with it.
 */

/** Hold nothing but text. */
const PLAIN = new Set(['option', 'textarea', 'title', 'style', 'script']);

export function wrapTexts(): void {
  const previous = options.vnode;
  let isWrapping = false;
  options.vnode = (vnode) => {
    const { type, props } = vnode;
    const isHost = type === Fragment || (typeof type === 'string' && !PLAIN.has(type));
    if (isHost && !isWrapping && props) {
      isWrapping = true;
      const parent = props as { children?: ComponentChildren };
      if (parent.children !== undefined) parent.children = wrap(parent.children, 0);
      isWrapping = false;
    }
    previous?.(vnode);
  };
}

function wrap(child: ComponentChildren, index: number): ComponentChildren {
  if (Array.isArray(child)) return child.map(wrap);
  const isText = typeof child === 'number' || (typeof child === 'string' && child.trim() !== '');
  return isText ? createElement('span', { key: `${index} ${child}` }, child) : child;
}
