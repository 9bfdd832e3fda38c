import { z } from 'zod';
import type { Owner } from './keys.ts';
import { fromBase64Url, type Signer, toBase64Url } from './signature.ts';

/**
 * A claim: the service gives it out and takes it back, so that it need not be stored: a text that carries its content,
 * signed. It holds for one purpose, in one account, in live or in test mode, and for one end user where it has one.
 */

/** Prefixes of the texts, signed with them: no text of one purpose is one of another. */
const PREFIXES = { quote: 'quo_', events: 'evt_', cursor: 'cur_' } as const;

/** In a request. */
export const claimTextSchema = z.string().max(2000);

const claimSchema = z.object({
  account: z.string(),
  /** Written out: a claim from before there were modes in it is of neither. */
  mode: z.enum(['live', 'test']),
  end_user: z.string().optional(),
  content: z.unknown(),
});

export async function issueClaim(
  signer: Signer,
  purpose: keyof typeof PREFIXES,
  { account, test, end_user }: Owner,
  content: object,
): Promise<string> {
  const claim: z.infer<typeof claimSchema> = { account, mode: test ? 'test' : 'live', end_user, content };
  const text = PREFIXES[purpose] + toBase64Url(new TextEncoder().encode(JSON.stringify(claim)));
  return `${text}.${await signer.sign(text)}`;
}

/** Null: it is none of ours, of another purpose, or of an earlier version of the service. Whose it is is to be compared. */
export async function openClaim<Schema extends z.ZodType>(
  signer: Signer,
  purpose: keyof typeof PREFIXES,
  claim: string,
  schema: Schema,
): Promise<{ owner: Owner; content: z.output<Schema> } | null> {
  const prefix = PREFIXES[purpose];
  const [text = '', signature = '', rest] = claim.split('.');
  if (!text.startsWith(prefix) || rest !== undefined || !(await signer.verify(text, signature))) return null;
  const parsed = claimSchema.safeParse(jsonIn(text.slice(prefix.length)));
  const content = schema.safeParse(parsed.data?.content);
  if (!parsed.success || !content.success) return null;
  const { account, mode, end_user } = parsed.data;
  const owner = {
    account,
    ...(mode === 'test' && { test: true as const }),
    ...(end_user !== undefined && { end_user }),
  };
  return { owner, content: content.data };
}

function jsonIn(base64Url: string): unknown {
  return JSON.parse(new TextDecoder().decode(fromBase64Url(base64Url)!));
}
