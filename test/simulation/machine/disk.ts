/** An in-memory disk with the semantics that the code relies on: links, renames, fsync, a limited size. */

export interface FileNode {
  readonly kind: 'file';
  readonly inode: number;
  data: Buffer;
  /** Bytes that survive a power failure. */
  synced: Buffer;
  changedAt: number;
}

interface FolderNode {
  readonly kind: 'folder';
  readonly inode: number;
  readonly entries: Map<string, Node>;
}

type Node = FileNode | FolderNode;

/** Creates the error of a failed system call, as Node reports it. */
export function systemError(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${call} '${path}'`), { code, syscall: call, path });
}

export class Disk {
  /** Whether a fault fills the disk. */
  isFilled = false;
  /** Writes that have space on a full disk, because a ballast was deleted for them. */
  ballastWrites = 0;
  readonly totalBytes = 2 ** 40;
  private readonly root: FolderNode = { kind: 'folder', inode: 1, entries: new Map() };
  private inodes = 1;
  /** Folders of other disks, which survive a power failure of this machine. */
  private readonly mounted = new Set<FolderNode>();
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  /** Whether writing fails with ENOSPC. */
  get isFull(): boolean {
    return this.isFilled && this.ballastWrites === 0;
  }

  get freeBytes(): number {
    return this.isFull ? 0 : this.totalBytes / 2;
  }

  find(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of split(path)) {
      if (node?.kind !== 'folder') return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  file(path: string, call: string): FileNode {
    const node = this.find(path);
    if (node === undefined) throw systemError('ENOENT', call, path);
    if (node.kind === 'folder') throw systemError('EISDIR', call, path);
    return node;
  }

  folder(path: string, call: string): FolderNode {
    const node = this.find(path);
    if (node === undefined) throw systemError('ENOENT', call, path);
    if (node.kind === 'file') throw systemError('ENOTDIR', call, path);
    return node;
  }

  makeFolder(path: string, isRecursive: boolean): void {
    let folder = this.root;
    const names = split(path);
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      const found = folder.entries.get(name);
      if (found?.kind === 'folder' && (isRecursive || !isLast)) folder = found;
      else if (found !== undefined) throw systemError('EEXIST', 'mkdir', path);
      else if (!isRecursive && !isLast) throw systemError('ENOENT', 'mkdir', path);
      else {
        const created: FolderNode = { kind: 'folder', inode: (this.inodes += 1), entries: new Map() };
        folder.entries.set(name, created);
        folder = created;
      }
    }
  }

  /** Opens a file for writing, and creates it if it is missing. */
  create(path: string, isExclusive: boolean): FileNode {
    const { folder, name } = this.parent(path, 'open');
    const found = folder.entries.get(name);
    if (found?.kind === 'folder') throw systemError('EISDIR', 'open', path);
    if (found !== undefined && isExclusive) throw systemError('EEXIST', 'open', path);
    if (found !== undefined) return found;
    const empty = Buffer.alloc(0);
    const file: FileNode = {
      kind: 'file',
      inode: (this.inodes += 1),
      data: empty,
      synced: empty,
      changedAt: this.now(),
    };
    folder.entries.set(name, file);
    return file;
  }

  write(file: FileNode, data: Buffer, path: string): void {
    if (this.isFull && data.length > file.data.length) throw systemError('ENOSPC', 'write', path);
    file.data = data;
    file.changedAt = this.now();
  }

  /** Shows a folder of another disk in this one, as a network mount does. */
  mount(path: string, folder: FolderNode): void {
    this.makeFolder(path, true);
    const { folder: parent, name } = this.parent(path, 'mount');
    parent.entries.set(name, folder);
    this.mounted.add(folder);
  }

  rename(from: string, to: string): void {
    const source = this.parent(from, 'rename');
    const target = this.parent(to, 'rename');
    const node = source.folder.entries.get(source.name);
    if (node === undefined) throw systemError('ENOENT', 'rename', from);
    source.folder.entries.delete(source.name);
    target.folder.entries.set(target.name, node);
  }

  link(from: string, to: string): void {
    const file = this.file(from, 'link');
    const { folder, name } = this.parent(to, 'link');
    if (folder.entries.has(name)) throw systemError('EEXIST', 'link', to);
    folder.entries.set(name, file);
  }

  remove(
    path: string,
    { isRecursive, isForced, call }: { isRecursive: boolean; isForced: boolean; call: string },
  ): void {
    const node = this.find(path);
    if (node === undefined) {
      if (isForced) return;
      throw systemError('ENOENT', call, path);
    }
    if (node.kind === 'folder' && !isRecursive) throw systemError('EISDIR', call, path);
    const { folder, name } = this.parent(path, call);
    folder.entries.delete(name);
  }

  /** Loses what was not synced. Names survive, as on ext4 with ordered data. */
  loseUnsynced(): void {
    const visit = (folder: FolderNode): void => {
      for (const node of folder.entries.values()) {
        if (node.kind === 'file') node.data = node.synced;
        else if (!this.mounted.has(node)) visit(node);
      }
    };
    visit(this.root);
  }

  private parent(path: string, call: string): { folder: FolderNode; name: string } {
    const names = split(path);
    const name = names.pop() ?? '';
    return { folder: this.folder(`/${names.join('/')}`, call), name };
  }
}

const split = (path: string): string[] => path.split('/').filter((name) => name !== '');
