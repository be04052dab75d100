import { maxCurves } from '../../compare/render-html.ts';
import { markup } from '../../report/components/markup.ts';

/** Script of the table of runs: filters the rows by words, counts the runs to compare, and updates the rows every 10 seconds. */
export const runListScript = markup`
const search = document.getElementById('search');
const compare = document.getElementById('compare');
const body = document.querySelector('.runs tbody');

function filter() {
  const words = search.querySelector('input').value.toLowerCase().split(' ');
  const rows = [...body.rows];
  for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  const shown = rows.filter((row) => !row.hidden).length;
  search.querySelector('[role=status]').textContent = shown === rows.length ? '' : shown + ' of ' + rows.length;
}

function count() {
  const chosen = body.querySelectorAll(':checked').length;
  compare.querySelector('button').textContent = chosen === 0 ? 'Compare' : 'Compare ' + chosen;
  compare.querySelector('button').disabled = chosen < 2 || chosen > ${maxCurves};
}

const nameOf = (row) => row.querySelector('th').textContent;

/** Updates cells in place, so that order and choice of the reader stay. */
function update(fresh) {
  const known = new Map([...body.rows].map((row) => [nameOf(row), row]));
  for (const row of [...fresh.rows].reverse()) {
    const old = known.get(nameOf(row));
    known.delete(nameOf(row));
    if (old === undefined) body.prepend(row);
    else [...row.cells].forEach((cell, column) => {
      if (cell.outerHTML !== old.cells[column].outerHTML) old.cells[column].replaceWith(cell.cloneNode(true));
    });
  }
  for (const row of known.values()) row.remove();
}

async function poll() {
  try {
    const answer = await fetch(location.href, { cache: 'no-cache', signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const rows = fresh.querySelector('.runs tbody');
    if ((rows === null) !== (body === null)) location.reload();
    document.getElementById('count').textContent = fresh.getElementById('count').textContent;
    if (body) update(rows);
    if (body) filter();
    if (compare) count();
  } catch {
    // The server does not answer. The page keeps the last known state.
  }
  setTimeout(poll, 10000);
}

if (body) {
  search.hidden = false;
  search.addEventListener('input', filter);
  filter();
}
if (compare) {
  document.addEventListener('change', count);
  count();
}
setTimeout(poll, 10000);
`;
