import type { Delivery } from './delivery.ts';
import { MAX_PARALLEL_DELIVERIES } from './limits.ts';
import { mayTakeAnother } from './places.ts';

/**
 * Shares of the transfers that run at the same time. A line holds the deliveries of one kind of one account, live and
 * test mode apart: its webhooks do not wait for the photos that it names. In a line each end user has a share, who may
 * name any address. Nobody waits for somebody else's slow receiver: a line in which nothing is under way always gets a
 * lane.
 */

const PORTION_OF_USER = 1 / 2;

/** One delivery, as far as shares go. */
export interface Lane {
  /** An end user in a line. */
  sender: string;
  /** The receiver. */
  target: string;
}

/** No part but the last, the end user, holds a slash. */
export function senderOf({ account, test, kind, end_user = '' }: Delivery): string {
  return `${account}/${test ? 'test' : 'live'}/${kind}/${end_user}`;
}

export function lineOf(sender: string): string {
  return sender.split('/', 3).join('/');
}

/** `underway`: in the line. `free`: lanes that the asking process has left. */
export function mayGo(underway: readonly Lane[], { sender, target }: Lane, free: number): boolean {
  const toTarget = underway.filter((lane) => lane.target === target).length;
  return toTarget < MAX_PARALLEL_DELIVERIES && mayGoFrom(underway, sender, free);
}

/** To a receiver to which nothing is under way. */
export function mayGoFrom(underway: readonly Lane[], sender: string, free: number): boolean {
  if (underway.length === 0) return true;
  if (free <= 0) return false;
  const fromSender = underway.filter((lane) => lane.sender === sender).length;
  if (fromSender === 0) return true;
  // The account itself has all of its share, where its end users leave it.
  const portion = sender === `${lineOf(sender)}/` ? 1 : PORTION_OF_USER;
  return mayTakeAnother(underway.length, free) && mayTakeAnother(fromSender, free, portion);
}
