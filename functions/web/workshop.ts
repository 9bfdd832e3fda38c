import type { Client } from '../../shared/client.ts';
import { openAlbum } from './album.ts';
import { createSender } from './sender.ts';
import { createUploads } from './uploads.ts';

/** The things that live as long as the owner of the key: they outlive every screen. */
export type Workshop = Awaited<ReturnType<typeof openWorkshop>>;

export async function openWorkshop(client: Client, owner: string, onMoney: () => void) {
  const album = await openAlbum(owner);
  const uploads = createUploads(client, album);
  const sender = createSender({ client, album, uploads, onMoney });
  // Before this page was opened they may have arrived.
  for (const order of album.list()) if (order.sent && !order.job) void sender.look(order);
  return { owner, client, album, uploads, sender };
}
