import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { UploadState } from '../../../configs/schema/run-pointer.ts';
import { readJson } from '../files/json-file.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';

/** Unfinished multipart uploads, one file per key, so that a killed upload can be resumed. */
export class UploadStates {
  readonly #folder: string;
  readonly #address: string;

  constructor(folder: string, address: string) {
    this.#folder = folder;
    this.#address = address;
  }

  find(key: string): Promise<UploadState | undefined> {
    return readJson(this.#path(key), UploadState);
  }

  async save(key: string, state: UploadState): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await writeFileAtomic(this.#path(key), JSON.stringify(state));
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  #path(key: string): string {
    const name = createHash('sha256').update(`${this.#address} ${key}`).digest('hex').slice(0, 32);
    return `${this.#folder}/${name}.json`;
  }
}
