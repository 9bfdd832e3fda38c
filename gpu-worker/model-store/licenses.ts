export interface LicensedFile {
  path: string;
  license: string;
}

/** `LICENSES.md` of a built model. */
export function licenseNotice(model: string, sources: readonly LicensedFile[]): string {
  const byLicense = Map.groupBy(sources, ({ license }) => license);
  const parts = [...byLicense].map(([license, files]) => {
    return [`## ${license}`, '', ...files.map(({ path }) => `- ${path}`), ''].join('\n');
  });
  return `# Whose weights these are

The files in this folder were made from the files below, on this machine, for the person who built ${model}. Their
numbers are the work of the people who trained them and stay under their licenses, which you accepted when you took the
files. Read them before you pass this folder on or offer a service with it.

${parts.join('\n')}`;
}
