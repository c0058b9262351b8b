// Subscriptions at the subgraphs: a WebSocket for each, opened with the client's and closed with it.
//
// The transport that comes with the gateway connects again by itself when it is cut off, and subscribes as it did at
// first: a client would get some events twice, or miss some, and not know. Here a cut is reported, and the client goes
// on after its last cursor. And what a client does not take is not kept: the subgraph is left waiting.
import { GraphQLError, print } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { limits } from './limits.mjs';

const MOST_PENDING = 100;
const AGAIN = 'Subscribe again, after the last cursor.';

/** Why a connection is closed when its token has, by us and by the subgraphs. */
export const EXPIRED = 'The token has expired';

// How a connection ended, for the client that goes on after it: with which code its own is closed then.
const CUTS = { interrupted: 1012, unavailable: 1013, 'token-expired': 4403 };

/** Of a result that says nothing but that a subscription was cut off: why, and with which code to close. */
export function cutIn(result) {
  const { data, errors } = result ?? {};
  if (!errors?.length || Object.values(data ?? {}).some((each) => each !== null)) return undefined;
  const cut = errors.find(({ extensions }) => extensions?.code in CUTS);
  return cut && { closeCode: CUTS[cut.extensions.code], message: cut.message };
}

export const upstream = {
  getSubgraphExecutor: ({ transportEntry }) => {
    const url = transportEntry.location.replace(/^http/, 'ws');
    const { service } = transportEntry.options;
    return ({ document, variables, operationName, extensions }) => {
      const authorization = extensions?.headers?.authorization;
      return subscribe(url, service, { authorization }, { query: print(document), variables, operationName });
    };
  },
};

/** One that does not wait for ever for an answer to its handshake. */
class Impatient extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { handshakeTimeout: 1000 * limits.upstreamSeconds });
  }
}

function subscribe(url, service, connectionParams, payload) {
  const pending = [];
  let socket;
  let over = false;
  let wake = () => {};
  const client = createClient({
    url,
    connectionParams,
    webSocketImpl: Impatient,
    retryAttempts: 0,
    connectionAckWaitTimeout: 1000 * limits.upstreamSeconds,
    on: {
      opened: (opened) => (socket = opened),
      // Reported here, not as the subscription's error: after a close that it takes for normal the client would connect
      // again, and say nothing.
      error: (reason) => fail(reason),
      closed: (event) => fail(event),
    },
  });
  const put = (result) => {
    if (over) return;
    pending.push(result);
    if (pending.length >= MOST_PENDING) socket?.pause();
    wake();
  };
  const end = () => {
    over = true;
    wake();
  };
  const fail = (reason) => {
    if (over) return;
    put({ data: null, errors: errorsOf(reason, service) });
    end();
    leave();
  };
  const leave = () => {
    socket?.resume(); // else the other side's part of closing is not read, and both wait for it
    client.dispose().catch(() => {}); // it rejects if the connection has ended before it began
  };
  const unsubscribe = client.subscribe(payload, { next: put, error: fail, complete: end });
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
      end();
      unsubscribe();
      leave();
      return { done: true, value: undefined };
    },
  };
}

// What the subgraph says, or how the connection to it ended.
function errorsOf(reason, service) {
  if (Array.isArray(reason)) return reason.map(({ message, extensions }) => new GraphQLError(message, { extensions }));
  const [code, words] = causeOf(reason, service);
  return [new GraphQLError(words, { extensions: { code, service } })];
}

function causeOf({ code, reason }, service) {
  if (code === 4403 && !reason.startsWith(EXPIRED)) return ['unauthenticated', reason || 'The token was refused.'];
  if (code === 4403 || code === 4401) return ['token-expired', `${EXPIRED}. Connect with a new one. ${AGAIN}`];
  // No close event at all is a connection that was never opened.
  if (code === undefined || code === 1013 || code === 4408 || code === 4504) {
    return ['unavailable', `${service} does not answer now. ${AGAIN}`];
  }
  return ['interrupted', `The subscription was cut off. ${AGAIN}`];
}
