// Subscriptions at the subgraphs: a WebSocket for each, opened for whoever asks and closed with it.
//
// The transport that comes with the gateway connects again by itself when it is cut off, and subscribes as it did at
// first: a client would get some events twice, or miss some, and not know. Here a cut is told, and the client goes on
// after its last cursor. And what a client does not take is not kept: the subgraph is left waiting.
import { GraphQLError, print } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

const MOST_PENDING = 100;
const CODES = { 1013: 'unavailable', 4401: 'token-expired', 4403: 'unauthenticated', 4408: 'unavailable' };

export const upstream = {
  getSubgraphExecutor: ({ transportEntry }) => {
    const url = transportEntry.location.replace(/^http/, 'ws');
    return ({ document, variables, operationName, extensions }) => {
      const authorization = extensions?.headers?.authorization;
      return subscribe(url, { authorization }, { query: print(document), variables, operationName });
    };
  },
};

function subscribe(url, connectionParams, payload) {
  const pending = [];
  let socket;
  let over = false;
  let wake = () => {};
  const client = createClient({
    url,
    connectionParams,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    on: { opened: (opened) => (socket = opened) },
  });
  const put = (result) => {
    pending.push(result);
    if (pending.length >= MOST_PENDING) socket?.pause();
    wake();
  };
  const end = () => {
    over = true;
    wake();
  };
  const unsubscribe = client.subscribe(payload, {
    next: put,
    error: (reason) => {
      put({ data: null, errors: errorsOf(reason) });
      end();
    },
    complete: end,
  });
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      while (pending.length === 0 && !over) await new Promise((resolve) => (wake = resolve));
      if (pending.length === 0) return { done: true, value: undefined };
      const value = pending.shift();
      if (pending.length === 0) socket?.resume();
      return { done: false, value };
    },
    async return() {
      pending.length = 0;
      unsubscribe();
      client.dispose();
      end();
      return { done: true, value: undefined };
    },
  };
}

// What the subgraph says, or how the connection to it ended.
function errorsOf(reason) {
  if (Array.isArray(reason)) return reason.map(({ message, extensions }) => new GraphQLError(message, { extensions }));
  const code = CODES[reason?.code] ?? 'interrupted';
  const refused = code === 'unauthenticated' && reason.reason;
  const words = refused || 'The subscription was cut off. Subscribe again, after the last cursor.';
  return [new GraphQLError(words, { extensions: { code } })];
}
