import { markup } from '../../report/components/markup.ts';

/** Style of the table of runs, in addition to that of all pages. */
export const runListStyle = markup`
[hidden] { display: none !important; }
#runs h2 { position: absolute; clip-path: inset(50%); }
#runs { margin-top: 2rem; }
.controls { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 0.75rem 2rem; margin-bottom: 1rem; font-size: 0.875rem; }
.controls form, .controls label { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.25rem 0.75rem; }
.controls input, .controls button { padding: 0.35rem 0.7rem; border: 1px solid var(--soft); border-radius: 6px; background: var(--page); color: inherit; font: inherit; }
.controls input { width: 17rem; max-width: 100%; }
.controls button { border-color: var(--first); color: var(--first); cursor: pointer; }
.controls button:disabled { border-color: var(--line); color: var(--soft); cursor: default; }
.controls :focus-visible, .choice :focus-visible { outline: 2px solid var(--first); outline-offset: 1px; }
.runs td, .runs th { padding-block: 0.5rem; }
.runs tbody tr:hover > * { background: var(--faint); }
.runs .choice { width: 1.5rem; padding-right: 0; }
.choice input { width: 1rem; height: 1rem; margin: 0; accent-color: var(--first); vertical-align: middle; }
.runs .name { min-width: 8rem; font-weight: 500; overflow-wrap: anywhere; }
.runs thead td { border-top: 0; border-bottom: 1px solid var(--line); }
.runs .data { min-width: 6.4rem; overflow-wrap: anywhere; }
.runs .state { min-width: 8.5rem; max-width: 15rem; }
.runs small { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; color: var(--soft); font-size: 0.75rem; line-height: 1.35; overflow-wrap: anywhere; }
.runs .epochs { min-width: 5.5rem; }
.runs .epochs .bar { width: 5rem; height: 5px; margin-top: 2px; }
.done { fill: var(--first); }
.runs .ap { white-space: nowrap; }
.ap span { display: inline-block; min-width: 2.2rem; margin-right: 0.4rem; }
.sparkline { display: inline-block; width: 72px; height: 22px; vertical-align: middle; }
.sparkline path { stroke-width: 1.3; }
.stage { white-space: nowrap; }
.stage::before { content: ''; display: inline-block; width: 0.55em; height: 0.55em; margin-right: 0.5em; border-radius: 50%; background: var(--second); }
.starting::before, .training::before, .testing::before, .trained::before { background: var(--first); }
.completed::before { background: var(--go); }
.interrupted::before, .failed::before { background: var(--stop); }
.empty { max-width: 34rem; }
@media (max-width: 60rem) {
  .runs, .runs tbody { display: block; }
  .runs thead { display: none; }
  .runs tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0.2rem 1rem; position: relative; padding: 0.9rem 0; border-top: 1px solid var(--line); }
  .runs tbody tr > * { min-width: 0; max-width: none; padding: 0; border: 0; text-align: left; white-space: normal; }
  .runs tbody tr:hover > * { background: none; }
  .runs .choice { position: absolute; top: 0.9rem; right: 0; width: auto; }
  .runs .name { grid-column: 1 / 3; padding-right: 2rem; font-size: 1rem; }
  .runs .recipe, .runs .started { grid-column: 1 / 3; order: 1; }
  .runs [data-value=''] { display: none; }
  .runs .epochs .bar { display: inline-block; width: 3.2rem; margin-left: 0.5rem; vertical-align: middle; }
  .runs [data-label]::before { content: attr(data-label) ' '; color: var(--soft); }
}
@media print {
  @page { size: A4 landscape; }
  .controls, .choice, .runs thead td { display: none; }
  .runs { font-size: 0.72rem; } .runs td, .runs th { padding-inline: 0.4rem; } .runs a { color: inherit; text-decoration: none; }
  .stage::before, .done, .ground { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
