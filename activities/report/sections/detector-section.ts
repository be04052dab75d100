import type { Report } from '../../../configs/schema/index.ts';
import { renderFacts } from '../components/facts.ts';
import { markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';

/** Renders where the trained detector is, its hashes, and how to use it; undefined if the run left none. */
export function renderDetector({ runId, detector }: Report): Section | undefined {
  if (detector === undefined) return undefined;
  return {
    id: 'detector',
    title: 'Detector',
    body: markup`<p>This folder holds the tested weights. MMDetection loads it without everswin; its MODEL_CARD.md shows how.</p>
<pre class="command" tabindex="0">everswin predict ${runId} IMAGES</pre>
<details><summary>Folder and hashes of its files</summary>${renderFacts(listDetector(detector), 'hash')}</details>`,
  };
}

/** Lists the addresses of the folder and the hashes of its files. */
export const listDetector = ({
  uri,
  path,
  files,
}: NonNullable<Report['detector']>): readonly (readonly [string, string])[] => [
  ['folder', path],
  ...(uri.startsWith('file:') ? [] : [['stored at', uri] as const]),
  ...files.map(({ file, sha256 }) => [file, sha256] as const),
];
