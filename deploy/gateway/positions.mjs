// Reading one's writes through the gateway: what a client waits for is passed on, and what the subgraphs say of it, and of
// where writes stand, is passed back, as headers and as extensions of the answer.
const POSITION = 'kith-position';
const REACHED = 'kith-reached';
// What a header may have; whether it is a position, the subgraph says.
const HEADER = /^[ -~]*$/;
const heard = new WeakMap();

/** What all subgraphs of an operation wait for: the header's, or the operation's extension `waitFor`. */
export function waitedFor(request, context) {
  const { waitFor } = context?.params?.extensions ?? {};
  return request.headers.get('kith-wait-for') ?? (HEADER.test(waitFor ?? '') ? waitFor : undefined);
}

/** What a subgraph says, as headers for the client. It is kept for `extensionsOf`. */
export function heardOf(response, context) {
  const said = {};
  for (const name of [POSITION, REACHED]) {
    const value = response.headers.get(name);
    if (value) said[name] = value;
  }
  if (context && Object.keys(said).length > 0) heard.set(context, [...(heard.get(context) ?? []), said]);
  return said;
}

/** The same as extensions of the answer: `positions`, and of each service whether what was waited for is `reached`. */
export function extensionsOf(context) {
  const all = heard.get(context) ?? [];
  const positions = all.flatMap(({ [POSITION]: position }) => position ?? []);
  const reached = {};
  for (const { [REACHED]: said } of all) {
    if (!said) continue;
    const [service, answer] = said.split('=');
    reached[service] = (reached[service] ?? true) && answer === 'yes';
  }
  return { ...(positions.length > 0 && { positions }), ...(Object.keys(reached).length > 0 && { reached }) };
}
