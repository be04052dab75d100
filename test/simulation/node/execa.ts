/** Replaces `execa` for the activities: no other program is installed on a simulated machine. */
export const execa = (): Promise<{ failed: boolean; stdout: string }> => Promise.resolve({ failed: true, stdout: '' });
