import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { formatApTable } from './format-ap-table.ts';
import { runFolder } from '../../configs/paths.ts';
import type { ReportRef } from '../../configs/schema/index.ts';

interface ResultContext {
  runId: string;
  home: string;
  /** Address of the run in the Temporal UI. */
  uiPage: string | undefined;
}

/** Prints the AP table, the verdict, and the addresses of the report and the Temporal UI. */
export function printResult(report: ReportRef, { runId, home, uiPage }: ResultContext): void {
  const { uri, verdict, bbox, segm, crashes, stepsRepeated } = report;
  console.log(`\n${formatApTable({ bbox, segm })}\n\n${verdict}\n`);
  if (crashes > 0) console.log(`Crashes      ${crashes} survived, ${stepsRepeated} steps repeated`);
  for (const [index, location] of reportLocations(uri, `${runFolder(home, runId).report}/index.html`).entries())
    console.log(`${index === 0 ? 'Report      ' : '            '} ${location}`);
  if (uiPage !== undefined) console.log(`Temporal UI  ${uiPage}`);
}

/** Lists a local copy of the report before its address in a bucket, because a browser opens a file more easily. */
const reportLocations = (uri: string, file: string): string[] => {
  if (uri.startsWith('file:')) return [fileURLToPath(uri)];
  return existsSync(file) ? [file, uri] : [uri];
};
