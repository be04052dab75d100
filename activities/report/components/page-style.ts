import { partsStyle } from './section-style.ts';
import { markup } from './markup.ts';

/** Style sheet of every page, for light mode, dark mode and print. */
export const pageStyle = markup`
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5c6670; --line: #e2e5e9; --faint: #f5f6f8; --page: #fff; --first: #1f66b1; --second: #b55a00; --third: #7a3fb5; --fourth: #28794a; --fifth: #97305f; --stop: #b3261e; --go: #28794a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e6ea; --soft: #98a2ad; --line: #2c333b; --faint: #1a1f25; --page: #12161b; --first: #6cb0f5; --second: #eb9a45; --third: #bb93ea; --fourth: #66bd8b; --fifth: #e58ab2; --stop: #f2857c; --go: #66bd8b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 59rem; margin: 0 auto; padding: 3.5rem 1.5rem 5rem; }
main.broad { max-width: 84rem; }
p { margin: 0 0 0.75rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; font-weight: 600; overflow-wrap: anywhere; }
h1 { margin: 0 0 0.5rem; font-size: 2rem; letter-spacing: -0.015em; }
h2 { margin: 3.5rem 0 1rem; padding-top: 1.25rem; border-top: 1px solid var(--line); font-size: 1.25rem; }
h3 { margin: 2rem 0 0.5rem; font-size: 0.95rem; }
.brand { margin: 0; color: var(--soft); font-size: 0.85rem; }
.verdict { max-width: 42rem; font-size: 1.2rem; line-height: 1.45; }
.note { color: var(--soft); font-size: 0.85rem; }
.unseen { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
.scroll { overflow-x: auto; }
.scroll:focus-visible, summary:focus-visible, pre:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.32rem 0.75rem; text-align: left; vertical-align: top; font-weight: 400; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { border-bottom: 1px solid var(--line); color: var(--soft); font-size: 0.8rem; vertical-align: bottom; }
.number, .results td { text-align: right; white-space: nowrap; }
.results th, .results td { padding-inline: 0.55rem; }
.results tr > :first-child { padding-left: 0; }
.results { width: auto; font-size: 0.84rem; margin-bottom: 1rem; }
.results th div { display: flex; align-items: baseline; }
.results th b { flex: none; width: 3.9rem; font-weight: 500; }
.results th span { color: var(--soft); font-size: 0.7rem; white-space: nowrap; }
.results .group th { padding-top: 1.25rem; font-weight: 600; }
.results tbody:first-of-type .group th { padding-top: 0.75rem; }
.results tbody:not(:has(.group)) tr:first-child > *, .results .group + tr > *, .results tbody:not(:has(.group)) tr:first-child b, .results .group + tr b { font-weight: 600; }
.results .group + tr span { font-weight: 400; }
.results td { color: var(--soft); }
.results small { display: inline-block; min-width: 2.1rem; color: var(--soft); font-size: 0.78rem; }
.results .interval { display: block; min-width: 0; line-height: 1.1; }
.results thead .number { max-width: 8rem; white-space: normal; }
.results .groups th, .results .groups td { padding-bottom: 0; border: 0; font-size: 0.72rem; }
.results .ours { color: var(--ink); }
figure { margin: 0 0 2rem; break-inside: avoid; }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1.5rem; margin-bottom: 0.5rem; font-size: 0.9rem; }
figcaption b { font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; color: var(--soft); font-size: 0.8rem; }
.key { display: inline-flex; align-items: center; gap: 0.35rem; }
.key svg { flex: none; width: 18px; height: 12px; }
figure > svg { display: block; width: 100%; height: auto; overflow: visible; }
svg path { fill: none; }
svg text { fill: var(--soft); font-size: 10.5px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); }
.base, .notch { stroke: var(--soft); stroke-opacity: 0.6; }
.series path, svg.s1 path, svg.s2 path, svg.s3 path, svg.s4 path, svg.s5 path { stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.series .dense { stroke-width: 1; }
.s1 path { stroke: var(--first); } .s1 circle { fill: var(--first); }
.s2 path { stroke: var(--second); } .s2 circle { fill: var(--second); }
.s3 path { stroke: var(--third); } .s3 circle { fill: var(--third); }
.s4 path { stroke: var(--fourth); } .s4 circle { fill: var(--fourth); }
.s5 path { stroke: var(--fifth); } .s5 circle { fill: var(--fifth); }
.level path { stroke: var(--soft); stroke-dasharray: 2 4; }
.stop path { stroke: var(--stop); stroke-width: 1.25; stroke-dasharray: 3 3; }
.go path { fill: var(--go); }
.best path { fill: var(--fourth); stroke: var(--fourth); stroke-width: 1; }
.tested path { fill: var(--ink); }
.mark path { stroke-opacity: 0.85; }
.mark .hit { fill: none; stroke: transparent; stroke-width: 14; stroke-dasharray: none; }
.readings path { stroke: transparent; }
.readings path:hover { stroke: var(--soft); stroke-opacity: 0.25; }
.events td, .events tbody th { border-top: 1px solid var(--line); }
.events .more td { border-top: 0; padding-top: 0; color: var(--soft); overflow-wrap: anywhere; }
.what { min-width: 12rem; overflow-wrap: anywhere; }
.kind, .whole { white-space: nowrap; }
.kind::before { content: ''; display: inline-block; width: 0.5em; height: 0.5em; margin-right: 0.5em; border-radius: 50%; background: var(--soft); }
.kind.crashed::before, .kind.hung::before, .kind.worker-lost::before, .kind.process-died::before, .kind.preempted::before { background: var(--stop); }
.kind.resumed::before, .kind.adopted::before, .kind.finished::before, .kind.tested::before { background: var(--go); }
.facts { display: grid; grid-template-columns: minmax(7rem, 11rem) 1fr; gap: 0.3rem 1rem; margin: 0; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.hash dd, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace; font-size: 0.78rem; }
pre { margin: 0.5rem 0 1rem; padding: 0.9rem 1rem; overflow: auto; border-radius: 6px; background: var(--faint); line-height: 1.5; tab-size: 4; }
details > pre { max-height: 32rem; }
summary { cursor: pointer; font-size: 0.875rem; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1.1rem; font-size: 0.875rem; overflow-wrap: anywhere; }
${partsStyle}
@media (max-width: 40rem) {
  main { padding: 1.75rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  .verdict { font-size: 1.08rem; }
  figure > svg text { font-size: 21px; }
  figure > svg.half text { font-size: 15px; }
  .course text { font-size: 18px; }
  .results th div span { display: none; }
  .results th b { width: auto; }
  .results { width: 100%; }
  .results thead th { white-space: normal; }
  .results small, .results .interval { display: block; min-width: 0; font-size: 0.66rem; }
  .events, .events tbody { display: block; }
  .events thead { display: none; }
  .events tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: 0.35rem 0; border-top: 1px solid var(--line); }
  .events .more { border-top: 0; padding-top: 0; }
  .events .more td:first-child { display: none; }
  .events tbody th, .events tbody td { border: 0; padding: 0; }
  .events .what, .events .more td { order: 1; flex-basis: 100%; min-width: 0; }
  .events [data-label]::before { content: attr(data-label) ' '; color: var(--soft); }
  .facts { grid-template-columns: minmax(4rem, 8.5rem) 1fr; }
  .registry .id { min-width: 9rem; }
  th, td { padding-inline: 0.4rem; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --line: #ccc; --faint: #f5f5f5; --page: #fff; --first: #1f66b1; --second: #b55a00; --third: #7a3fb5; --fourth: #28794a; --fifth: #97305f; --stop: #b3261e; --go: #28794a; }
  main { max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; }
  tr, pre.command { break-inside: avoid; }
  .scroll { overflow: visible; }
  pre, details > pre { max-height: none; white-space: pre-wrap; overflow-wrap: anywhere; }
}
`;
