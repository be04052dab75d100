import { markup } from './markup.ts';

/** Styles of individual sections, with the colors of page-style.ts. */
export const partsStyle = markup`
a { color: var(--first); text-decoration-thickness: 1px; text-underline-offset: 0.15em; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; margin-top: 1.5rem; padding: 0; list-style: none; font-size: 0.85rem; }
nav a { display: inline-block; padding: 0.15rem 0; }
.figures + figure { margin-top: 2rem; }
.figures { display: flex; flex-wrap: wrap; gap: 1px; margin: 1.5rem 0 0; border: 1px solid var(--line); border-radius: 8px; background: var(--line); overflow: hidden; }
.figures div { flex: 1 1 8.6rem; overflow-wrap: anywhere; padding: 0.75rem 1rem; background: var(--page); }
.figures dt { color: var(--soft); font-size: 0.78rem; }
.figures dd { margin: 0; }
.figures b { display: block; font-size: 1.35rem; font-weight: 600; line-height: 1.35; font-variant-numeric: tabular-nums; }
.figures span { color: var(--soft); font-size: 0.75rem; }
.figures:has(> :nth-child(7)) div { flex-basis: 11.5rem; }
.pair > * { min-width: 0; }
.pair .results { width: 100%; }
.pair .results small { display: block; min-width: 0; line-height: 1.1; }
.pair .results th, .pair .results td { padding-inline: 0.4rem; }
.pair .results tr > :first-child { padding-left: 0; }
.pair .results .groups th { max-width: 7rem; white-space: normal; }
.lead { font-size: 1.05rem; }
.soft { color: var(--soft); }
.gone { color: var(--stop); }
.differences { margin: 0; padding-left: 1.4rem; font-size: 0.875rem; }
.differences > li { margin-bottom: 1rem; padding-left: 0.25rem; break-inside: avoid; }
.differences > li::marker { color: var(--soft); }
.differences p { margin: 0.1rem 0; }
.difference-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 0.75rem; }
.effect { color: var(--soft); font-size: 0.8rem; }
.effect.relative, .effect.measured { color: var(--second); }
.evidence { padding-left: 1rem; color: var(--soft); font-size: 0.8rem; list-style: '– '; }
cite { font-style: normal; }
cite::before { content: '['; } cite::after { content: ']'; }
s { text-decoration-color: var(--stop); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 1.5rem; }
.plain td, .plain tbody th { border-top: 1px solid var(--line); vertical-align: middle; }
.plain tbody tr:first-child > * { border-top: 0; }
.plain th span { color: var(--soft); font-size: 0.8rem; }
.plain th b { font-weight: 500; }
.id { overflow-wrap: anywhere; }
.registry .id, .events .id { min-width: 11rem; }
.registry .name { min-width: 6rem; overflow-wrap: anywhere; }
.recipe { min-width: 9.5rem; overflow-wrap: anywhere; }
.events .who { min-width: 8.5rem; }
.findings { margin-bottom: 1rem; }
.facts.failure { grid-template-columns: max-content minmax(0, 1fr); padding: 0.75rem 1rem; border-left: 3px solid var(--stop); background: var(--faint); } .failure b { color: var(--stop); } .failure pre { margin: 0; padding: 0; background: none; white-space: pre-wrap; overflow-wrap: anywhere; }
.facts + .note, .figures + .facts, .events + .note { margin-top: 1rem; }
.places ul { margin: 0 0 1.25rem; }
.places [aria-current] { color: var(--ink); text-decoration: none; }
.tall { max-height: 40rem; overflow-y: auto; }
.tall thead th { position: sticky; top: 0; z-index: 1; background: var(--page); box-shadow: inset 0 -1px var(--line); }
.sortable button { padding: 0; border: 0; background: none; color: inherit; font: inherit; text-align: inherit; cursor: pointer; }
.sortable button:hover { color: var(--ink); }
.sortable button:focus-visible, a:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
[aria-sort] { color: var(--ink) !important; }
[aria-sort='ascending']::after { content: ' ↑'; } [aria-sort='descending']::after { content: ' ↓'; }
.classes tbody th { min-width: 6.5rem; max-width: 14rem; overflow-wrap: anywhere; }
.narrow thead th { white-space: normal; }
.narrow th, .narrow td { padding-inline: 0.5rem; }
.narrow tbody th { min-width: 5rem; }
details + .note { margin-top: 0.75rem; }
.strip { display: block; width: 160px; height: 20px; }
.strip path, .spark path { stroke-width: 1.2; }
.strip .s1 path, .strip .s2 path { stroke-opacity: 0.55; stroke-width: 2.5; }
.spark { display: block; width: 64px; height: 24px; overflow: visible; }
.s1dot::before, .s2dot::before { content: ''; width: 0.55em; height: 0.55em; border-radius: 50%; background: var(--first); }
.s2dot::before { background: var(--second); }
.bar { display: block; width: 100%; height: 0.7rem; border-radius: 2px; }
.bar .ground { fill: var(--faint); }
.square { width: 12px !important; }
.size-small, .cost-useful { fill: var(--first); }
.size-medium, .cost-evaluation { fill: var(--second); }
.size-large, .cost-test { fill: var(--third); }
.cost-lost { fill: var(--stop); }
.cost-overhead { fill: var(--soft); }
section > .bar { height: 1.1rem; margin: 0.75rem 0 1rem; }
.cost, .errors { max-width: 44rem; margin-bottom: 1rem; }
.wide { width: 34%; min-width: 8rem; }
.scroll + .note, ul + .note, ol + .note, .gallery + .note { margin-top: 1rem; }
.level text { paint-order: stroke; stroke: var(--page); stroke-width: 3px; }
.results .group span { font-size: 0.74rem; font-weight: 400; }
.results thead th { vertical-align: bottom; }
.course .attempt rect { fill: var(--first); fill-opacity: 0.25; stroke: var(--page); }
.course .inside { fill: var(--ink); }
.course { display: block; width: 100%; height: auto; margin: 0.5rem 0 1rem; overflow: visible; }
.values { min-height: 1.2em; margin: 0; color: var(--soft); font-size: 0.78rem; text-align: right; font-variant-numeric: tabular-nums; }
.readings .here { stroke: var(--soft); stroke-opacity: 0.25; }
.csv { display: block; margin: 0.25rem 0 0.75rem auto; padding: 0 0.4rem; border: 1px solid var(--line); border-radius: 4px; background: none; color: var(--soft); font: inherit; font-size: 0.72rem; cursor: pointer; }
.csv:hover { color: var(--ink); }
.csv:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
.overlaid .s2 path { stroke-dasharray: 8 6; } .overlaid .s3 path { stroke-dasharray: 2 6; } .overlaid .s4 path { stroke-dasharray: 12 4 2 4; } .overlaid .s5 path { stroke-dasharray: 4 4; }
.overlaid .s1 path { stroke-width: 2.6; }
.overlaid .s1 circle { r: 4.5px; } .overlaid .s2 circle { r: 3.4px; } .overlaid .s3 circle { r: 2.5px; } .overlaid .s4 circle { r: 1.8px; } .overlaid .s5 circle { r: 1.2px; }
.switch { display: inline-flex; align-items: center; gap: 0.3rem; }
.switch input { margin: 0; }
figure:has(.switch input:checked) .raw { opacity: 0.3; }
figure:has(.switch input:not(:checked)) .smooth { display: none; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem 1.5rem; }
.gallery figure { margin: 0; }
.gallery figcaption { display: block; margin: 0.35rem 0 0; overflow-wrap: anywhere; font-size: 0.8rem; line-height: 1.4; }
.gallery figcaption span { color: var(--soft); }
.shot { display: block; position: relative; }
.shot img { display: block; width: 100%; height: auto; border-radius: 3px; }
@media print {
  .tall { max-height: none; }
  .tall thead th { position: static; }
  nav, .csv, .values, .switch { display: none; }
  .bar, .square, .strip, .spark, .course, .key::before { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
