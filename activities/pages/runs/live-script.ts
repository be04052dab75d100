import { pagePaths } from '../../../configs/names.ts';
import { markup } from '../../report/components/markup.ts';

/** Script of the live page: polls the section every 2 seconds, replaces it if it changed, and reports an unreachable server. */
export const liveScript = markup`
const link = document.getElementById('link');
const age = document.getElementById('age');
let known = null;
let unreachableSince = null;

async function fetchSection() {
  const answer = await fetch('${pagePaths.fragment}', { cache: 'no-cache', signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(answer.statusText);
  const tag = answer.headers.get('etag');
  if (tag !== known) replaceSection(await answer.text());
  known = tag;
}

function replaceSection(html) {
  const box = document.createElement('template');
  box.innerHTML = html;
  const [old, fresh] = [document.getElementById('live'), box.content.firstElementChild];
  const places = [...old.querySelectorAll('.scroll')].map((one) => [one.scrollLeft, one.scrollTop, one === document.activeElement]);
  const switches = [...old.querySelectorAll('input')].map((one) => one.checked);
  const [x, y] = [scrollX, scrollY];
  old.replaceWith(fresh);
  fresh.querySelectorAll('.scroll').forEach((one, index) => {
    const [left, top, hadFocus] = places[index] ?? [0, 0, false];
    one.scrollTo(left, top);
    if (hadFocus) one.focus({ preventScroll: true });
  });
  fresh.querySelectorAll('input').forEach((one, index) => (one.checked = switches[index] ?? one.checked));
  scrollTo(x, y);
}

function showStatus(text) {
  link.className = text === '' ? '' : 'gone';
  if (link.textContent !== text) link.textContent = text;
}

function showAge() {
  const { at } = document.querySelector('[data-at]').dataset;
  const seconds = Math.max(0, Math.round(Date.now() / 1000 - at));
  const passed = seconds < 120 ? seconds + ' s' : seconds < 7200 ? Math.round(seconds / 60) + ' min' : Math.round(seconds / 3600) + ' h';
  age.textContent = at === '' ? '' : 'Last trainer event ' + passed + ' ago.';
}

async function poll() {
  try {
    await fetchSection();
    unreachableSince = null;
    showStatus('');
  } catch {
    unreachableSince ??= new Date();
    showStatus('The server has not answered since ' + unreachableSince.toLocaleTimeString() + '. The page shows the last known state and keeps retrying.');
  }
  showAge();
  setTimeout(poll, 2000);
}

poll();
`;
