import type { Shipment } from './sender.ts';

const STEPS: Record<Shipment['step'], string> = {
  waiting: 'Waiting for its turn',
  looking: 'Looking whether the order has arrived',
  sending: 'Sending the photo',
  ordering: 'Ordering',
  stopping: 'Stopping',
  refused: 'Not sent',
};

export function describeStep({ step }: Shipment): string {
  return STEPS[step];
}

/** The consequence of a failure on the way for the money. */
export function describeMoney({ step, order }: Shipment): string {
  if (step === 'refused') return 'Nothing was charged.';
  if (!order.sent) return 'Nothing was ordered yet; it goes on by itself.';
  return 'Whether the order has arrived is not known yet. It is looked for before it is sent again, so that nothing is paid twice.';
}
