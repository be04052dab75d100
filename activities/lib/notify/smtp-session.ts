/** One conversation with a mail server (RFC 5321), by lines. No error says who logs in, or with what. */
import { once } from 'node:events';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CodedError, systemErrorCode } from '../failures/coded-error.ts';

const answerWithinMs = 10_000;
const longestAnswer = 64 * 1024;

export interface MailServer {
  host: string;
  port: number;
  /** TLS from the first byte on, as for port 465. */
  isTls: boolean;
  /** PEM; the public authorities where it is undefined. */
  ca: string | undefined;
}

interface Reply {
  code: number;
  lines: string[];
}

export class SmtpSession {
  private readonly server: MailServer;
  private socket: Socket;
  private unread = '';
  isSecure: boolean;

  private constructor(server: MailServer, socket: Socket) {
    this.server = server;
    this.socket = this.listenTo(socket);
    this.isSecure = server.isTls;
  }

  /** @throws CodedError NotifyFailed when nobody answers, or with a certificate that is not trusted. */
  static async open(server: MailServer): Promise<SmtpSession> {
    const { host, port, isTls } = server;
    const session = new SmtpSession(
      server,
      isTls ? connectTls({ port, ...trustOf(server) }) : connectPlain(port, host),
    );
    await session.settled(once(session.socket, isTls ? 'secureConnect' : 'connect'));
    await session.expect('the greeting', 220);
    return session;
  }

  /** What the server offers, such as `STARTTLS`, each with its parameters. */
  async hello(): Promise<Map<string, string[]>> {
    const { lines } = await this.command('EHLO everswin', 250);
    return new Map(
      lines.slice(1).map((line) => {
        const [word = '', ...parameters] = line.toUpperCase().split(' ');
        return [word, parameters];
      }),
    );
  }

  /** From here on nobody on the way reads along. What came in clear before counts no more. */
  async startTls(): Promise<void> {
    await this.command('STARTTLS', 220);
    this.socket.removeAllListeners('data');
    this.unread = '';
    this.socket = this.listenTo(connectTls({ socket: this.socket, ...trustOf(this.server) }));
    await this.settled(once(this.socket, 'secureConnect'));
    this.isSecure = true;
  }

  /** @param shown stands for the line in errors, where the line itself is secret. */
  async command(line: string, code: number, shown = line.split(' ', 1)[0] ?? ''): Promise<Reply> {
    this.socket.write(`${line}\r\n`);
    return this.expect(shown, code);
  }

  close(): void {
    this.socket.destroy();
  }

  private async expect(said: string, code: number): Promise<Reply> {
    const reply = await this.readReply();
    if (reply.code === code) return reply;
    const kind = reply.code >= 500 ? 'NotifyRefused' : 'NotifyFailed';
    throw new CodedError(kind, `The mail server answered ${reply.code} to ${said}.`);
  }

  /** `250-one`, `250-two`, `250 last`. */
  private async readReply(): Promise<Reply> {
    const lines: string[] = [];
    for (;;) {
      const end = this.unread.indexOf('\n');
      if (end < 0) {
        if (this.unread.length > longestAnswer)
          throw new CodedError('NotifyRefused', 'The mail server talks without end.');
        await this.settled(once(this.socket, 'heard'));
        continue;
      }
      const line = this.unread.slice(0, end).trimEnd();
      this.unread = this.unread.slice(end + 1);
      lines.push(line.slice(4));
      if (line[3] !== '-') return { code: Number(line.slice(0, 3)), lines };
    }
  }

  private listenTo(socket: Socket): Socket {
    socket.setTimeout(answerWithinMs, () => socket.destroy(new Error('no answer in time')));
    socket.on('data', (chunk: Buffer) => {
      this.unread += chunk.toString('latin1');
      socket.emit('heard');
    });
    // Without a listener an error between two commands would end the worker.
    socket.on('error', () => undefined);
    socket.on('close', () => socket.emit('error', new Error('connection closed')));
    return socket;
  }

  /** `once` rejects with what the socket says; it becomes one of our errors. */
  private async settled(event: Promise<unknown>): Promise<void> {
    try {
      await event;
    } catch (error) {
      throw new CodedError(
        'NotifyFailed',
        `The mail server did not answer: ${systemErrorCode(error) ?? 'the connection ended'}.`,
      );
    }
  }
}

/** The certificate must be of `host`; an IP address is no name to ask for (RFC 6066). */
const trustOf = ({ host, ca }: MailServer) => ({ host, ...(isIP(host) === 0 ? { servername: host } : {}), ca });
