/** Counts of what happened in a simulation, by name. */
export class Counts {
  private readonly byName = new Map<string, number>();

  add(name: string): void {
    this.byName.set(name, (this.byName.get(name) ?? 0) + 1);
  }

  toObject(): Record<string, number> {
    return Object.fromEntries(this.byName);
  }
}
