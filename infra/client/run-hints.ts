import type { FoundServer } from './find-server.ts';
import { workflowPage } from '../terminal/workflow-page.ts';

interface StartedWorkflow {
  /** What the user types to name it, such as `demo` or `compare:demo-sweep`. */
  name: string;
  workflowId: string;
  /** Only trainings can be paused. */
  canPause: boolean;
}

/** Returns ` --address …` for a printed command if the user typed it, because the next command needs it too. */
export const addressArgument = ({ source, address }: FoundServer): string =>
  source === '--address' ? ` --address ${address}` : '';

/** Formats, as a small tree, how to watch, pause and cancel a workflow that continues on the server. */
export function formatRunHints({ name, workflowId, canPause }: StartedWorkflow, server: FoundServer): string[] {
  const address = addressArgument(server);
  const page = workflowPage(server, workflowId);
  const hints = [
    ['status', `everswin status ${name}${address}`],
    ...(page === undefined ? [] : [['Temporal UI', page]]),
    ...(canPause ? [['pause', `everswin pause ${name}${address}`]] : []),
    ['cancel', `everswin cancel ${name}${address}`],
  ];
  return hints.map(([label = '', text = ''], index) => {
    const branch = index === hints.length - 1 ? '└─' : '├─';
    return `${branch} ${label.padEnd(12)}${text}`;
  });
}
