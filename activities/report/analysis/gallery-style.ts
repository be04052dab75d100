import { markup } from '../components/markup.ts';

/** Style of the gallery. Colors of boxes are bright in both modes, since they lie on pictures. */
export const galleryStyle = markup`
.gallery { grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr)); gap: 1rem; align-items: start; }
.zoom .caption span { color: var(--soft); }
.gallery[hidden], .controls[hidden], figure[hidden] { display: none; }
.shot { overflow: hidden; border-radius: 3px; }
.shot svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.shot g, .judgments g { --color: #ff5d5d; }
.shot .correct, .judgments .correct { --color: #3ddc84; }
.shot .class, .judgments .class { --color: #ffa62b; }
.shot .localization, .judgments .localization { --color: #ffe14d; }
.shot .both, .judgments .both { --color: #ff8fd0; }
.shot .duplicate, .judgments .duplicate { --color: #c3a6ff; }
.shot .background, .judgments .background { --color: #ff6b6b; }
.shot .truth, .judgments .truth { --color: #56d7ff; }
.shot .ignored, .judgments .ignored { --color: #c9ced6; }
.shot path, .judgments path { vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.shot .under { stroke: #000; stroke-opacity: 0.55; stroke-width: 3.5; }
.shot .edge, .judgments .edge { stroke: var(--color); stroke-width: 2; stroke-dasharray: 7 4; }
.shot .correct .edge, .judgments .correct .edge { stroke-dasharray: none; }
.shot .truth .edge, .judgments .truth .edge { stroke-dasharray: 0.1 4.2; stroke-linecap: round; stroke-width: 2.6; }
.shot .ignored .edge, .judgments .ignored .edge { stroke-width: 1.2; stroke-dasharray: none; }
.shot .mask { fill: var(--color); fill-rule: evenodd; fill-opacity: 0.22; }
.shot .truth .mask { fill-opacity: 0.1; }
.shot g { pointer-events: all; }
.shot g:hover .mask { fill-opacity: 0.45; }
.shot text { fill: #fff; font-size: inherit; font-weight: 600; paint-order: stroke; stroke: #000; stroke-width: 0.22em; stroke-linejoin: round; pointer-events: none; }
.shot text.correct { fill: #a9f5c8; } .shot text.class { fill: #ffd08a; } .shot text.localization { fill: #fff09a; } .shot text.both { fill: #ffc4e6; }
.shot text.duplicate { fill: #ddcdff; } .shot text.background { fill: #ffb3b3; } .shot text.truth { fill: #b5edff; } .shot text.ignored { fill: #e3e6ea; }
.shot .spare, .shot .off, .shot .found { display: none; }
.all-truth .found { display: inline; }
.all-truth .found.spare { display: none; }
.zoom .shot .spare { display: inline; }
.zoom .shot .spare.off, .zoom .shot:not(.all-truth) .found { display: none; }
.judgments { gap: 0.15rem 1rem; margin-bottom: 1rem; }
.judgments .key svg { width: 26px; height: 14px; }
.judgments .backing { fill: #33383f; }
.controls { display: flex; flex-wrap: wrap; align-items: center; gap: 0.4rem 1.25rem; margin: 0 0 1rem; padding: 0.5rem 0.75rem; border-radius: 6px; background: var(--faint); font-size: 0.85rem; }
.controls label { display: inline-flex; align-items: center; gap: 0.4rem; }
.controls select { max-width: 12rem; }
.controls select, .controls button { padding: 0.15rem 0.4rem; border: 1px solid var(--line); border-radius: 4px; background: var(--page); color: var(--ink); font: inherit; }
.controls button { cursor: pointer; }
.controls :focus-visible, .enlarge:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
.controls output, .controls .reading { color: var(--soft); font-variant-numeric: tabular-nums; }
.controls output { margin-left: auto; }
.gallery .shot { cursor: zoom-in; }
.enlarge { position: absolute; top: 4px; right: 4px; width: 1.7rem; height: 1.7rem; padding: 0; border: 0; border-radius: 4px; background: #0009; color: #fff; font-size: 1rem; line-height: 1; cursor: pointer; opacity: 0; }
.shot:hover .enlarge, .enlarge:focus-visible { opacity: 1; }
.zoom { width: min(96vw, 80rem); max-width: none; max-height: 96vh; padding: 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--page); color: var(--ink); }
.zoom::backdrop { background: #000b; }
.zoom .controls [name='close'] { margin-left: auto; }
.zoom .shot { margin: 0 auto; }
.zoom .caption { margin: 0.6rem 0 0; font-size: 0.85rem; }
@media print {
  .controls, .enlarge, .zoom { display: none; }
  .shot svg, .judgments svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
