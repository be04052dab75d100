/** Reads epoch and step from the name of a checkpoint, such as e009-i000414.pth; undefined for other names. */
export function checkpointPosition(name: string): { epoch: number; step: number } | undefined {
  const [, epoch, step] = /^e(\d+)-i(\d+)/.exec(name) ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), step: Number(step) };
}
