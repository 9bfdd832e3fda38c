import { decodeHTML, decodeHTMLStrict } from 'entities';

const REFERENCE = /&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;
/** Characters that a number must not stand for: it decodes to nothing. */
const NO_TEXT = /(?![\t\n\f\r\x81\x8d\x8f\x90\x9d])[\p{Cc}\p{Noncharacter_Code_Point}]/gu;
const WHOLE_REFERENCE = /&#?[0-9A-Za-z]{1,24};/g;

/** All character references of HTML, also those that lack their semicolon, as `html.unescape` of Python does. */
export function decodeReferences(text: string): string {
  return text.replace(REFERENCE, (reference) => {
    const decoded = decodeHTML(reference);
    return reference.startsWith('&#') ? decoded.replace(NO_TEXT, '') : decoded;
  });
}

/** Those with a semicolon only, which nobody writes by chance; names in capitals as well: `P&EACUTE;REZ`. */
export function decodeWholeReferences(text: string): string {
  return text.replace(WHOLE_REFERENCE, (reference) => {
    if (!reference.startsWith('&#')) return decodeName(reference);
    const decoded = decodeReferences(reference);
    return decoded.includes(';') ? reference : decoded;
  });
}

function decodeName(reference: string): string {
  const decoded = decodeHTMLStrict(reference);
  const isLoud = decoded === reference && reference === reference.toUpperCase();
  if (!isLoud || decodeReferences(reference) !== reference) return decoded;
  const lower = reference.toLowerCase();
  const named = decodeHTMLStrict(lower);
  return named === lower ? reference : named.toUpperCase();
}
