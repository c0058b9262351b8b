// WebSockets of clients, in the protocol graphql-transport-ws. (Server-sent events the gateway has of itself.)
import { getGraphQLWSOptions } from '@graphql-hive/gateway-runtime';
import { GraphQLError } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const limits = {
  connections: Number(process.env.KITH_LIVE_CONNECTIONS ?? 1000),
  subscriptions: Number(process.env.KITH_LIVE_SUBSCRIPTIONS_PER_CONNECTION ?? 20),
  initMilliseconds: 1000 * Number(process.env.KITH_LIVE_INIT_SECONDS ?? 5),
  messageBytes: 256 * 1024,
};

// Who asks is said in connection_init, or by a header where a client can send one. The subgraph checks it.
const authorizationOf = ({ connectionParams, extra }) => {
  const told = Object.entries(connectionParams ?? {}).find(([name]) => name.toLowerCase() === 'authorization');
  return told ? String(told[1]) : extra.request.headers.authorization;
};

// To the gateway each operation is a request that carries what the connection said.
const requestOf = (context, path) => {
  const { traceparent } = context.extra.request.headers;
  const headers = { authorization: authorizationOf(context), ...(traceparent && { traceparent }) };
  return new Request(`http://gateway${path}`, { method: 'POST', headers });
};

/** Serves WebSockets on the server; answers what ends them. */
export function serveSockets(gateway, server, path) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: limits.messageBytes });
  server.on('upgrade', (request, socket, head) => {
    if (new URL(request.url, 'http://gateway').pathname !== path) return refuse(socket, '404 Not Found');
    if (sockets.clients.size >= limits.connections) return refuse(socket, '503 Service Unavailable');
    sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request));
  });
  const options = getGraphQLWSOptions(gateway, (context) => ({ request: requestOf(context, path) }));
  const { dispose } = useServer(
    {
      ...options,
      isProd: true,
      connectionInitWaitTimeout: limits.initMilliseconds,
      onConnect: (context) => authorizationOf(context) !== undefined,
      onSubscribe: (context, id, payload) =>
        Object.keys(context.subscriptions).length > limits.subscriptions
          ? [tooMany()]
          : options.onSubscribe(context, id, payload),
    },
    sockets,
  );
  return dispose;
}

const tooMany = () =>
  new GraphQLError(`A connection has at most ${limits.subscriptions} subscriptions.`, {
    extensions: { code: 'too-many-subscriptions' },
  });

function refuse(socket, status) {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
}
