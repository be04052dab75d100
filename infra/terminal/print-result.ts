import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { formatApTable } from './format-ap-table.ts';
import { runFolder } from '../../configs/paths.ts';
import type { ReportRef } from '../../configs/schema/index.ts';

export interface ResultContext {
  runId: string;
  workflowId: string;
  home: string;
  uiUrl: string | undefined;
}

/** The AP table as COCO's own tool prints it, the verdict, and where to look further. */
export function printResult(report: ReportRef, { runId, workflowId, home, uiUrl }: ResultContext): void {
  const { uri, verdict, bbox, segm, crashes, stepsRepeated } = report;
  console.log(`\n${formatApTable({ bbox, segm })}\n\n${verdict}\n`);
  if (crashes > 0) console.log(`Crashes      ${crashes} survived, ${stepsRepeated} steps repeated`);
  for (const [index, place] of reportLocations(uri, `${runFolder(home, runId).report}/index.html`).entries())
    console.log(`${index === 0 ? 'Report      ' : '            '} ${place}`);
  if (uiUrl !== undefined)
    console.log(`Temporal UI  ${uiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`);
}

/** A browser opens a file more easily than an object of a bucket: so the one of this machine, if there is one, comes first. */
const reportLocations = (uri: string, file: string): string[] => {
  if (uri.startsWith('file:')) return [fileURLToPath(uri)];
  return existsSync(file) ? [file, uri] : [uri];
};
