import { useEffect, useRef, useState } from 'preact/hooks';

/** What is seen of all pictures: `x` and `y` are where their top left corner lies, in widths and heights of the frame. */
export interface View {
  zoom: number;
  x: number;
  y: number;
}

export const WHOLE: View = { zoom: 1, x: 0, y: 0 };
const LARGEST_ZOOM = 12;
/** A pointer that moved less did not drag. */
const CLICK_PIXELS = 5;

/** Moved by a share of the frame; a frame is always full. */
export function move({ zoom, x, y }: View, right: number, down: number): View {
  const within = (offset: number) => Math.min(0, Math.max(1 - zoom, offset));
  return { zoom, x: within(x + right), y: within(y + down) };
}

/** Zoomed about a point of the frame, which stays where it is. */
export function zoomBy(view: View, factor: number, x = 0.5, y = 0.5): View {
  const zoom = Math.min(LARGEST_ZOOM, Math.max(1, view.zoom * factor));
  const grown = zoom / view.zoom;
  return move({ zoom, x: x - (x - view.x) * grown, y: y - (y - view.y) * grown }, 0, 0);
}

export const transformOf = ({ zoom, x, y }: View) => `translate(${x * 100}%, ${y * 100}%) scale(${zoom})`;

interface Pointer {
  x: number;
  y: number;
}

/**
 * One view for the frames inside of an element (`.frame`), moved by dragging, two fingers and the wheel with Ctrl, which
 * a pinched touchpad sends too. `onClick`: a frame was pressed and not dragged.
 */
export function useView(onClick: (frame: HTMLElement) => void) {
  const [view, setView] = useState(WHOLE);
  const element = useRef<HTMLFieldSetElement>(null);
  const clicked = useRef(onClick);
  clicked.current = onClick;

  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    const pointers = new Map<number, Pointer>();
    let frame: HTMLElement | undefined;
    let travelled = 0;
    const on = <Type extends 'pointerdown' | 'pointermove' | 'pointerup' | 'pointercancel' | 'wheel'>(
      type: Type,
      listener: (event: HTMLElementEventMap[Type]) => void,
    ) => element.current!.addEventListener(type, listener, { signal, passive: false });
    const end = (event: PointerEvent) => {
      const isClick = pointers.delete(event.pointerId) && pointers.size === 0 && travelled < CLICK_PIXELS;
      if (isClick && event.type === 'pointerup' && frame) clicked.current(frame);
    };
    on('pointerdown', (event) => {
      const pressed = (event.target as HTMLElement).closest<HTMLElement>('.frame');
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
      setView((view) => {
        const moved = move(view, (share * right) / bounds.width, (share * down) / bounds.height);
        if (!other) return moved;
        const factor = distance(event, other) / Math.max(1, distance(before, other));
        const middle = { x: (event.x + other.x) / 2 - bounds.x, y: (event.y + other.y) / 2 - bounds.y };
        return zoomBy(moved, factor, middle.x / bounds.width, middle.y / bounds.height);
      });
    });
    on('pointerup', end);
    on('pointercancel', end);
    on('wheel', (event) => {
      const bounds = (event.target as HTMLElement).closest('.frame')?.getBoundingClientRect();
      if (!event.ctrlKey || !bounds) return;
      event.preventDefault();
      const [x, y] = [(event.x - bounds.x) / bounds.width, (event.y - bounds.y) / bounds.height];
      setView((view) => zoomBy(view, Math.exp(-event.deltaY / 200), x, y));
    });
    return () => listening.abort();
  }, []);
  return { view, setView, element };
}

function distance(one: Pointer, other: Pointer): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
