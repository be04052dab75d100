/** Escapes text for a table cell or a line of Markdown in the Temporal UI. */
export const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
