import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** The visible part of pictures in frames. Lengths are shares of the frame, so that a view outlives a turned phone. */
export interface View {
  /** Width of the picture in widths of the frame. */
  zoom: number;
  /** Where the top left corner of the picture lies, in widths and heights of the frame. */
  x: number;
  y: number;
}

/** How a picture lies in its frame. */
export interface Fit {
  /** Height of the picture that is as wide as the frame, in heights of the frame. */
  tall: number;
  least: number;
  most: number;
}

/** The frame has the shape of the picture. */
const FILLED: Fit = { tall: 1, least: 1, most: 12 };
export const WHOLE: View = { zoom: 1, x: 0, y: 0 };
/** A pointer that moved less did not drag. */
const CLICK_PIXELS = 5;

/** Moved by a share of the frame. A larger picture covers the frame, a smaller one lies in its middle. */
export function move({ zoom, x, y }: View, right: number, down: number, { tall }: Fit = FILLED): View {
  const within = (offset: number, length: number) =>
    length > 1 ? Math.min(0, Math.max(1 - length, offset)) : (1 - length) / 2;
  return { zoom, x: within(x + right, zoom), y: within(y + down, zoom * tall) };
}

/** Zoomed about a point of the frame, which stays where it is. */
export function zoomBy(view: View, factor: number, { x, y }: Point = MIDDLE, fit: Fit = FILLED): View {
  const zoom = Math.min(fit.most, Math.max(fit.least, view.zoom * factor));
  const grown = zoom / view.zoom;
  return move({ zoom, x: x - (x - view.x) * grown, y: y - (y - view.y) * grown }, 0, 0, fit);
}

/** Of an element as wide as the frame, from its top left corner. */
export const transformOf = ({ zoom, x, y }: View, { tall }: Fit = FILLED) =>
  `translate(${x * 100}%, ${(y / tall) * 100}%) scale(${zoom})`;

/** Whether there is anything to move. */
export const isLarger = ({ zoom }: View, { tall }: Fit = FILLED) => zoom > 1 || zoom * tall > 1.001;

interface Point {
  x: number;
  y: number;
}

const MIDDLE: Point = { x: 0.5, y: 0.5 };

interface Options {
  start?: View;
  fit?: Fit;
  /** A frame was pressed and not dragged. */
  onClick?: (frame: HTMLElement) => void;
}

/**
 * One view for the frames inside of an element (`.frame`), moved by dragging, two fingers and the wheel with Ctrl, which
 * a pinched touchpad sends too.
 */
export function useView<Type extends HTMLElement>(element: RefObject<Type | null>, options: Options = {}) {
  const [view, setView] = useState(options.start ?? WHOLE);
  const latest = useRef(options);
  latest.current = options;

  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    const pointers = new Map<number, Point>();
    let frame: HTMLElement | undefined;
    let travelled = 0;
    const on = <Type extends 'pointerdown' | 'pointermove' | 'pointerup' | 'pointercancel' | 'wheel'>(
      type: Type,
      listener: (event: HTMLElementEventMap[Type]) => void,
    ) => element.current!.addEventListener(type, listener, { signal, passive: false });
    const end = (event: PointerEvent) => {
      const isClick = pointers.delete(event.pointerId) && pointers.size === 0 && travelled < CLICK_PIXELS;
      if (isClick && event.type === 'pointerup' && frame) latest.current.onClick?.(frame);
    };
    on('pointerdown', (event) => {
      const target = event.target as HTMLElement;
      const pressed = target.localName === 'input' ? null : target.closest<HTMLElement>('.frame');
      if (!pressed || event.button !== 0) return;
      if (pointers.size === 0) travelled = 0;
      frame = pressed;
      pressed.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
    });
    on('pointermove', (event) => {
      const before = pointers.get(event.pointerId);
      if (!before || !frame) return;
      const bounds = frame.getBoundingClientRect();
      const [right, down] = [event.x - before.x, event.y - before.y];
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      travelled += Math.abs(right) + Math.abs(down);
      pointers.set(event.pointerId, event);
      // With two fingers the middle moves half as far as the one that moved.
      const share = other ? 0.5 : 1;
      const { fit } = latest.current;
      setView((view) => {
        const moved = move(view, (share * right) / bounds.width, (share * down) / bounds.height, fit);
        if (!other) return moved;
        const factor = distance(event, other) / Math.max(1, distance(before, other));
        const middle = { x: (event.x + other.x) / 2 - bounds.x, y: (event.y + other.y) / 2 - bounds.y };
        return zoomBy(moved, factor, { x: middle.x / bounds.width, y: middle.y / bounds.height }, fit);
      });
    });
    on('pointerup', end);
    on('pointercancel', end);
    on('wheel', (event) => {
      const bounds = (event.target as HTMLElement).closest('.frame')?.getBoundingClientRect();
      if (!event.ctrlKey || !bounds) return;
      event.preventDefault();
      const point = { x: (event.x - bounds.x) / bounds.width, y: (event.y - bounds.y) / bounds.height };
      setView((view) => zoomBy(view, Math.exp(-event.deltaY / 200), point, latest.current.fit));
    });
    return () => listening.abort();
  }, [element]);
  return { view, setView };
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
