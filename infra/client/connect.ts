import { Client, Connection } from '@temporalio/client';
import { namespace } from '../../configs/names.ts';

export async function connect(address: string): Promise<Client> {
  const connection = await Connection.connect({ address, connectTimeout: '5s' });
  return new Client({ connection, namespace });
}
