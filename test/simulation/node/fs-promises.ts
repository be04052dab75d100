/** Replaces `node:fs/promises` for the activities: system calls of the current simulated process. */
import { Buffer } from 'node:buffer';
import { currentProcess } from '../machine/process.ts';
import { systemError, type FileNode } from '../machine/disk.ts';
import { readProcFile, procPids } from '../machine/proc.ts';

type Encoding = BufferEncoding | { encoding?: BufferEncoding } | undefined;

const call = <T>(name: string, path: string, action: () => T): Promise<T> => currentProcess().call(name, path, action);
const disk = () => currentProcess().host.disk;
const encodingOf = (options: Encoding) => (typeof options === 'string' ? options : options?.encoding);

export const readFile = (path: string, options?: Encoding): Promise<string | Buffer> =>
  call('read', path, () => {
    const encoding = encodingOf(options);
    const data = path.startsWith('/proc/') ? readProcFile(currentProcess().host, path) : disk().file(path, 'open').data;
    return encoding === undefined ? Buffer.from(data) : data.toString(encoding);
  });

export const writeFile = (path: string, data: string | Uint8Array, options: { flag?: string } = {}): Promise<void> =>
  call('write', path, () => {
    const file = disk().create(path, options.flag === 'wx');
    disk().write(file, Buffer.from(data as string), path);
  });

export const appendFile = (path: string, data: string): Promise<void> =>
  call('write', path, () => {
    const file = disk().create(path, false);
    disk().write(file, Buffer.concat([file.data, Buffer.from(data)]), path);
  });

export const mkdir = (path: string, { recursive = false }: { recursive?: boolean } = {}): Promise<void> =>
  call('mkdir', path, () => disk().makeFolder(path, recursive));

export const mkdtemp = (prefix: string): Promise<string> =>
  call('mkdir', prefix, () => {
    const path = `${prefix}${currentProcess().host.uuid().slice(0, 6)}`;
    disk().makeFolder(path, true);
    return path;
  });

export const readdir = (
  path: string,
  { withFileTypes = false, recursive = false }: { withFileTypes?: boolean; recursive?: boolean } = {},
): Promise<unknown[]> =>
  call('readdir', path, () => {
    if (path === '/proc') return procPids(currentProcess().host);
    const list = (parentPath: string): object[] =>
      [...disk().folder(parentPath, 'scandir').entries].flatMap(([name, { kind }]) => [
        {
          name,
          parentPath,
          isFile: () => kind === 'file',
          isDirectory: () => kind === 'folder',
          isSymbolicLink: () => false,
        },
        ...(recursive && kind === 'folder' ? list(`${parentPath}/${name}`) : []),
      ]);
    return withFileTypes ? list(path) : [...disk().folder(path, 'scandir').entries.keys()];
  });

export const stat = (path: string): Promise<object> =>
  call('stat', path, () => {
    const node = disk().find(path);
    if (node === undefined) throw systemError('ENOENT', 'stat', path);
    return statsOf(node.kind === 'file' ? node : undefined);
  });

const statsOf = (file: FileNode | undefined) => ({
  size: file?.data.length ?? 0,
  ino: file?.inode ?? 0,
  mtimeMs: file?.changedAt ?? 0,
  ctimeMs: file?.changedAt ?? 0,
  isFile: () => file !== undefined,
  isDirectory: () => file === undefined,
});

/** The simulated disk has no symbolic links. */
export const lstat = (path: string): Promise<object> => stat(path);

export const statfs = (path: string): Promise<object> =>
  call('statfs', path, () => ({ bavail: disk().freeBytes, blocks: disk().totalBytes, bsize: 1 }));

export const rename = (from: string, to: string): Promise<void> => call('rename', to, () => disk().rename(from, to));

export const link = (from: string, to: string): Promise<void> => call('link', to, () => disk().link(from, to));

export const unlink = (path: string): Promise<void> =>
  call('unlink', path, () => disk().remove(path, { isRecursive: false, isForced: false, call: 'unlink' }));

export const rm = (
  path: string,
  { recursive = false, force = false }: { recursive?: boolean; force?: boolean } = {},
): Promise<void> =>
  call('unlink', path, () => disk().remove(path, { isRecursive: recursive, isForced: force, call: 'rm' }));

export const realpath = (path: string): Promise<string> =>
  call('stat', path, () => {
    if (disk().find(path) === undefined) throw systemError('ENOENT', 'realpath', path);
    return path;
  });

const notSimulated = (name: string) => (): never => {
  throw new Error(`${name} is not simulated: add it to ${import.meta.filename}`);
};
// The activities import these, and no simulated run calls them.
export const access = notSimulated('access');
export const constants = { W_OK: 2 };
export const chmod = notSimulated('chmod');
export const copyFile = notSimulated('copyFile');
export const cp = notSimulated('cp');
export const readlink = notSimulated('readlink');
export const symlink = notSimulated('symlink');
export const truncate = notSimulated('truncate');
export const utimes = notSimulated('utimes');

export const open = (path: string, flags = 'r'): Promise<OpenFile> =>
  call('open', path, () => {
    const node = disk().find(path);
    if (flags === 'r') {
      if (node === undefined) throw systemError('ENOENT', 'open', path);
      return new OpenFile(path, node.kind === 'file' ? node : undefined);
    }
    return new OpenFile(path, disk().create(path, flags.includes('x')));
  });

const largeBlock = 1024 * 1024;

/** An open file, or an open folder, which can only be synced. */
class OpenFile {
  private readonly path: string;
  private position = 0;
  private readonly file: FileNode | undefined;

  constructor(path: string, file: FileNode | undefined) {
    this.path = path;
    this.file = file;
  }

  read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number; buffer: Buffer }> {
    return call('read', this.path, () => {
      const data = this.data;
      const bytesRead = data.copy(buffer, offset, position, Math.min(data.length, position + length));
      return { bytesRead, buffer };
    });
  }

  writeFile(data: string | Uint8Array): Promise<void> {
    return call('write', this.path, () => {
      if (this.file !== undefined) disk().write(this.file, Buffer.from(data as string), this.path);
    });
  }

  write(data: Uint8Array, offset: number, length: number, position = this.position): Promise<{ bytesWritten: number }> {
    return call('write', this.path, () => {
      if (this.file === undefined) throw systemError('EISDIR', 'write', this.path);
      if (disk().isFull) throw systemError('ENOSPC', 'write', this.path);
      this.position = position + length;
      // Large blocks only probe the space; nothing reads them.
      if (length < largeBlock) {
        const { data: before } = this.file;
        const after = Buffer.alloc(Math.max(before.length, this.position));
        before.copy(after);
        after.set(data.subarray(offset, offset + length), position);
        disk().write(this.file, after, this.path);
      }
      return { bytesWritten: length };
    });
  }

  stat(): Promise<object> {
    return call('stat', this.path, () => statsOf(this.file));
  }

  sync(): Promise<void> {
    return call('fsync', this.path, () => {
      if (this.file !== undefined) this.file.synced = this.file.data;
    });
  }

  close(): Promise<void> {
    return call('close', this.path, () => undefined);
  }

  private get data(): Buffer {
    if (this.file === undefined) throw systemError('EISDIR', 'read', this.path);
    return this.file.data;
  }
}
