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

/** Prints the AP table, the verdict, and the addresses of the Temporal UI, the report and, last, the detector. */
export function printResult(report: ReportRef, { runId, home, uiPage }: ResultContext): void {
  const { uri, verdict, bbox, segm, crashes, stepsRepeated, detector } = report;
  const folder = runFolder(home, runId);
  console.log(`\n${formatApTable({ bbox, segm })}\n\n${verdict}\n`);
  if (crashes > 0) console.log(`Crashes      ${crashes} survived, ${stepsRepeated} steps repeated`);
  if (uiPage !== undefined) console.log(`Temporal UI  ${uiPage}`);
  printLocations('Report', uri, `${folder.report}/index.html`);
  if (detector === undefined) return;
  console.log(`Predict      everswin predict ${runId} IMAGES`);
  printLocations('Detector', detector, folder.detector);
}

/** Prints a bucket's address before the local copy, which is easier to open and to pass to the next command. */
function printLocations(name: string, uri: string, path: string): void {
  const locations = uri.startsWith('file:') ? [fileURLToPath(uri)] : existsSync(path) ? [uri, path] : [uri];
  for (const [index, location] of locations.entries())
    console.log(`${(index === 0 ? name : '').padEnd(12)} ${location}`);
}
