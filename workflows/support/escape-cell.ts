/** Text for a cell or a line of the Markdown that the Temporal UI shows. */
export const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
