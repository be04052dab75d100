/** Reads epoch and iteration from the name of a checkpoint, such as `e001-i000017.pth`; undefined for other names. */
export function checkpointPosition(file: string): { epoch: number; iteration: number } | undefined {
  const [, epoch, iteration] = /^e(\d+)-i(\d+)/.exec(file) ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), iteration: Number(iteration) };
}

/** Returns the iteration in the name of a checkpoint. */
export const iterationOf = (file: string): number | undefined => checkpointPosition(file)?.iteration;
