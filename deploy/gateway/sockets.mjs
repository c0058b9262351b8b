// WebSockets of clients, in the protocol graphql-transport-ws. (Server-sent events the gateway has of itself.)
import { getGraphQLWSOptions } from '@graphql-hive/gateway-runtime';
import { GraphQLError } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { wrongIn } from './connections.mjs';
import { parseJson, RepeatedKey } from './json.mjs';
import { limits } from './limits.mjs';
import * as metrics from './metrics.mjs';
import { Refusal } from './problems.mjs';
import { cutIn, EXPIRED } from './upstream.mjs';

const BAD_REQUEST = 4400;
const FORBIDDEN = 4403;
const POLICY = 1008;
const TRY_AGAIN_LATER = 1013;
const MOST_BUFFERED = 4 * 1024 * 1024;
const MOST_REASON = 120; // of 123 bytes that a close frame has room for
const LONGEST_TIMER = 2 ** 31 - 1;

// Who asks is said in connection_init, or by a header where a client can send one.
const authorizationOf = ({ connectionParams, extra }) => {
  const parameter = Object.entries(connectionParams ?? {}).find(([name]) => name.toLowerCase() === 'authorization');
  return parameter ? parameter[1] : extra.request.headers.authorization;
};

// To the gateway each operation is a request that carries what the connection said.
const requestOf = (context, path) => {
  const { traceparent } = context.extra.request.headers;
  const headers = { authorization: authorizationOf(context), ...(traceparent && { traceparent }) };
  return new Request(`http://gateway${path}`, { method: 'POST', headers });
};

/** Serves WebSockets on the server; returns the function that ends them. */
export function serveSockets({ gateway, server, path, tokens, origins }) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: limits.bodyBytes });
  const limiter = new ConnectionLimiter();
  sockets.on('connection', (socket) => {
    limiter.take(socket);
    guard(socket);
  });
  server.on('upgrade', async (request, socket, head) => {
    socket.on('error', () => {}); // it has gone
    const refusal = await refusalOf(request);
    if (refusal) return refuse(socket, refusal);
    sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request));
  });

  async function refusalOf(request) {
    const { url, headers } = request;
    if (wrongIn(request) !== undefined) return { status: '400 Bad Request' };
    if (url.split('?')[0] !== path) return { status: '404 Not Found' };
    if (!isOurs(headers, origins)) return { status: '403 Forbidden' };
    if (sockets.clients.size >= limits.liveConnections && !limiter.free()) {
      return { status: '503 Service Unavailable', more: 'Retry-After: 1\r\n' };
    }
    if (headers.authorization === undefined) return undefined;
    try {
      await tokens.check(headers.authorization);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return error.status === 401
        ? { status: '401 Unauthorized', more: 'WWW-Authenticate: Bearer\r\n' }
        : { status: '503 Service Unavailable', more: 'Retry-After: 1\r\n' };
    }
    return undefined;
  }

  const options = getGraphQLWSOptions(gateway, (context) => ({ request: requestOf(context, path) }));
  const { dispose } = useServer(
    {
      ...options,
      isProd: true,
      connectionInitWaitTimeout: 1000 * limits.liveInitSeconds,
      onConnect: (context) => connect(context, tokens, limiter),
      onDisconnect: ({ extra }) => clearTimeout(extra.expiry),
      onSubscribe: (context, id, payload) =>
        Object.keys(context.subscriptions).length > limits.liveSubscriptionsPerConnection
          ? [tooMany()]
          : options.onSubscribe(context, id, payload),
      onNext: ({ extra }, _id, _payload, _args, result) => closeIfCut(extra.socket, result),
    },
    sockets,
  );
  return dispose;
}

/**
 * Limits connections: no tenant takes all of them; and of strangers, who have not said yet who they are, the one that has
 * been here longest makes room for the next to come.
 */
class ConnectionLimiter {
  #strangers = new Set();
  #tenants = new Map();

  take(socket) {
    this.#strangers.add(socket);
    socket.once('close', () => this.#strangers.delete(socket));
  }

  /** Returns whether there was one to let go. */
  free() {
    const [stranger] = this.#strangers;
    metrics.socketsRefused.inc({ reason: stranger ? 'stranger' : 'all' });
    if (stranger === undefined) return false;
    this.#strangers.delete(stranger);
    stranger.terminate();
    return true;
  }

  /** Returns whether the tenant may have another. */
  know(socket, tenant) {
    const connections = this.#tenants.get(tenant) ?? new Set();
    if (connections.size >= limits.liveConnectionsPerTenant) {
      metrics.socketsRefused.inc({ reason: 'tenant' });
      return false;
    }
    this.#strangers.delete(socket);
    this.#tenants.set(tenant, connections.add(socket));
    socket.once('close', () => {
      connections.delete(socket);
      if (connections.size === 0) this.#tenants.delete(tenant);
    });
    return true;
  }
}

/** A connection lasts no longer than its token is valid: a client with a new one connects again, after the last cursor. */
async function connect(context, tokens, limiter) {
  const { socket } = context.extra;
  try {
    const { tenant, expires } = await tokens.check(authorizationOf(context));
    if (!limiter.know(socket, tenant)) {
      close(socket, TRY_AGAIN_LATER, `Of a tenant ${limits.liveConnectionsPerTenant} connections are served at a time`);
      return false;
    }
    const left = Math.min(LONGEST_TIMER, Math.max(0, expires - Date.now()));
    context.extra.expiry = setTimeout(() => close(socket, FORBIDDEN, EXPIRED), left).unref();
    return true;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    close(socket, refusal.status === 401 ? FORBIDDEN : TRY_AGAIN_LATER, refusal.detail);
    return false;
  }
}

// A cut sent as a message would be followed by "complete", which clients take for the end. Closed with these codes,
// they connect again by themselves, and go on after the cursor that their variables hold by then.
function closeIfCut(socket, result) {
  const cut = cutIn(result);
  if (cut) close(socket, cut.closeCode, cut.message);
}

function close(socket, code, reason) {
  socket.close(code, reason.slice(0, MOST_REASON));
}

/** Who sends without measure, or takes nothing of what it asks for, is let go. */
function guard(socket) {
  socket.on('error', () => {}); // reported by its closing
  metrics.sockets.inc();
  let messages = 0;
  const second = setInterval(() => (messages = 0), 1000).unref();
  socket.on('message', (message) => {
    messages += 1;
    if (messages > limits.liveMessagesPerSecond) close(socket, POLICY, 'Too many messages at a time');
    if (hasRepeatedKey(message)) close(socket, BAD_REQUEST, 'A message has a key twice');
    if (socket.bufferedAmount > MOST_BUFFERED) socket.terminate();
  });
  socket.on('close', () => {
    metrics.sockets.dec();
    clearInterval(second);
  });
}

function hasRepeatedKey(message) {
  try {
    parseJson(message.toString());
    return false;
  } catch (error) {
    return error instanceof RepeatedKey; // what is no JSON is refused by the protocol
  }
}

/** A browser says from which page; all other clients say nothing. */
function isOurs({ origin, host }, origins) {
  if (origin === undefined || origins.has(origin)) return true;
  return origin === `http://${host}` || origin === `https://${host}`;
}

const tooMany = () =>
  new GraphQLError(`A connection has at most ${limits.liveSubscriptionsPerConnection} subscriptions.`, {
    extensions: { code: 'too-many-subscriptions' },
  });

function refuse(socket, { status, more = '' }) {
  socket.end(`HTTP/1.1 ${status}\r\n${more}Content-Length: 0\r\nConnection: close\r\n\r\n`);
}
