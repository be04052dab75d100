/** Returns the iteration in the name of a checkpoint, such as `e001-i000017.pth`. */
export function iterationOf(file: string): number | undefined {
  const digits = /-i(\d+)/.exec(file)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
