// An HTTP server with bounds to what one connection may cost, and without guesses: what may be there once is there once.
import { createServer, IncomingMessage } from 'node:http';
import { limits } from './limits.mjs';

const SINGLE = ['host', 'authorization', 'content-type', 'content-length', 'idempotency-key', 'if-match', 'origin'];

/** Some clients offer HTTP/2 with each request (Java's does, unless configured not to). All but WebSockets is declined. */
class Request extends IncomingMessage {
  get upgrade() {
    return this.offered && (this.method === 'CONNECT' || this.headers.upgrade?.toLowerCase() === 'websocket');
  }

  set upgrade(offered) {
    this.offered = offered;
  }
}

export function boundedServer(listener) {
  const server = createServer(
    {
      IncomingMessage: Request,
      maxHeaderSize: limits.headerBytes,
      headersTimeout: 1000 * limits.headerSeconds,
      requestTimeout: 1000 * limits.requestSeconds,
      keepAliveTimeout: 1000 * limits.idleSeconds,
      connectionsCheckingInterval: 1000,
      requireHostHeader: true,
    },
    listener,
  );
  server.maxConnections = limits.connections;
  // One more than is allowed is kept, so that it can be seen that there were too many.
  server.maxHeadersCount = limits.headers + 1;
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  server.on('clientError', refuseUnreadable);
  return server;
}

/** What is wrong with the headers, in words; nothing if they are as they should be. */
export function wrongIn({ rawHeaders, headers }) {
  const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
  const repeated = SINGLE.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (repeated !== undefined) return `A request has one header ${repeated}.`;
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'The only Transfer-Encoding is chunked.';
  return undefined;
}

/** What is no HTTP, too large, or too slow. */
function refuseUnreadable(error, socket) {
  if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
  const status =
    { HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large', ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout' }[error.code] ??
    '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
}
