import { markup } from './markup.ts';

/** Script that adds a button to each table, which saves it as a CSV file without a request. */
export const csvScript = markup`
for (const region of document.querySelectorAll('.scroll')) {
  const table = region.querySelector('table');
  if (!table) continue;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'csv';
  button.textContent = 'CSV';
  button.setAttribute('aria-label', 'Save “' + region.getAttribute('aria-label') + '” as CSV');
  region.after(button);
  const textOf = (cell) => {
    if (cell.dataset.value) return cell.dataset.value;
    const copy = cell.cloneNode(true);
    copy.querySelectorAll('svg').forEach((one) => one.remove());
    return copy.textContent.replace(/\\s+/g, ' ').trim();
  };
  // Spreadsheets run texts that begin with these characters as formulas.
  const quote = (text) => '"' + text.replace(/^[=+@\\t]/, "'$&").replace(/^-(?![\\d.])/, "'-").replaceAll('"', '""') + '"';
  button.addEventListener('click', () => {
    const rows = [...table.rows].map((row) => [...row.cells].flatMap((cell) => [textOf(cell), ...Array(cell.colSpan - 1).fill('')]));
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([rows.map((row) => row.map(quote).join(',')).join('\\r\\n') + '\\r\\n'], { type: 'text/csv' }));
    link.download = region.getAttribute('aria-label').toLowerCase().replace(/[^a-z0-9]+/g, '-') + '.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
}
`;
