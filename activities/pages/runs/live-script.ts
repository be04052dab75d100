import { pagePaths } from '../../../configs/names.ts';
import { markup } from '../../report/draw/markup.ts';

/** Asks every 2 seconds for the section, replaces it where it changed, and says when nobody answers. */
export const liveScript = markup`
const link = document.getElementById('link');
const age = document.getElementById('age');
let known = null;
let goneSince = null;

async function look() {
  const answer = await fetch('${pagePaths.fragment}', { cache: 'no-cache', signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(answer.statusText);
  const tag = answer.headers.get('etag');
  if (tag !== known) replace(await answer.text());
  known = tag;
}

function replace(html) {
  const box = document.createElement('template');
  box.innerHTML = html;
  const [old, fresh] = [document.getElementById('live'), box.content.firstElementChild];
  const places = [...old.querySelectorAll('.scroll')].map((one) => [one.scrollLeft, one.scrollTop, one === document.activeElement]);
  const [x, y] = [scrollX, scrollY];
  old.replaceWith(fresh);
  fresh.querySelectorAll('.scroll').forEach((one, index) => {
    const [left, top, hadFocus] = places[index] ?? [0, 0, false];
    one.scrollTo(left, top);
    if (hadFocus) one.focus({ preventScroll: true });
  });
  scrollTo(x, y);
}

function say(text) {
  link.className = text === '' ? '' : 'gone';
  if (link.textContent !== text) link.textContent = text;
}

function showAge() {
  const { at } = document.querySelector('[data-at]').dataset;
  const seconds = Math.max(0, Math.round(Date.now() / 1000 - at));
  const passed = seconds < 120 ? seconds + ' s' : seconds < 7200 ? Math.round(seconds / 60) + ' min' : Math.round(seconds / 3600) + ' h';
  age.textContent = at === '' ? '' : 'Last sign of a trainer ' + passed + ' ago.';
}

async function follow() {
  try {
    await look();
    goneSince = null;
    say('');
  } catch {
    goneSince ??= new Date();
    say('The server has not answered since ' + goneSince.toLocaleTimeString() + '; this page keeps asking, and shows how things stood then.');
  }
  showAge();
  setTimeout(follow, 2000);
}

follow();
`;
